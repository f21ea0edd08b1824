//! Where it runs: the address, the disk, the rights of files.

use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::Report;

/// The least room on a disk that is no reason to worry, in bytes.
const ROOM_GOOD: u64 = 1 << 30;
/// The least room that the engine can go on with for a while, in bytes.
const ROOM_LEAST: u64 = 100 << 20;
/// The rights of others in the mode of a file.
const OTHERS: u32 = 0o077;
/// The shortest secret that cannot be guessed, in bytes: 128 bits in Base64.
const SECRET_BYTES_MIN: usize = 22;

/// Examines the address that the API is to be served on.
pub(super) fn listen(address: SocketAddr, report: &mut Report) {
    let check = "listen";
    match TcpListener::bind(address) {
        Ok(_) => report.good(check, format!("{address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            report.good(
                check,
                format!("{address} is taken, as by an engine that runs"),
            );
        }
        Err(_) => report.fail(
            check,
            format!("{address} cannot be listened on [RG-SERVE-001]"),
        ),
    }
    if !address.ip().is_loopback() {
        report.insecure(
            check,
            format!("{address} is open to other machines without TLS: put a proxy before it"),
        );
    }
}

/// Examines the folder and the file of an embedded database.
pub(super) fn data(file: &Path, report: &mut Report) {
    let folder = file.parent().filter(|it| !it.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    room(folder, report);
    let check = "files";
    match fs::metadata(file).map(|it| it.permissions().mode() & OTHERS) {
        Ok(0) => report.good(check, "the database is its user's alone"),
        Ok(_) => report.insecure(check, "other users of the machine can reach the database"),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(_) => report.fail(check, "the database cannot be looked at as this user"),
    }
}

fn room(folder: &Path, report: &mut Report) {
    let check = "disk";
    let Ok(disk) = rustix::fs::statvfs(folder) else {
        report.warn(check, "the data folder is not there, or not for this user");
        return;
    };
    let room = disk.f_bavail.saturating_mul(disk.f_frsize);
    let told = format!("{} MiB are free in the data folder", room >> 20);
    match room {
        ROOM_GOOD.. => report.good(check, told),
        ROOM_LEAST.. => report.warn(check, told),
        _ => report.fail(check, told),
    }
}

/// Examines a file that holds a secret.
pub(super) fn secret(key: &str, path: &Path, report: &mut Report) {
    let check = "secrets";
    let Ok(about) = fs::metadata(path) else {
        report.fail(check, format!("{key}: its file cannot be looked at"));
        return;
    };
    if about.permissions().mode() & OTHERS != 0 {
        report.insecure(
            check,
            format!("{key}: other users of the machine can read its file"),
        );
    }
    // An address is not guessed by its length.
    let is_address = key.ends_with("url") || key.ends_with("url_file");
    let length = usize::try_from(about.len()).unwrap_or(usize::MAX);
    if key.ends_with("_file") && !is_address && length < SECRET_BYTES_MIN {
        let told = format!("{key}: the secret is short enough to be guessed");
        // Others made it: how long it is may not be the operator's to choose.
        match key.starts_with("providers.") {
            true => report.warn(check, told),
            false => report.insecure(check, told),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Grade;

    fn found(production: bool, examine: impl FnOnce(&mut Report)) -> Vec<Grade> {
        let mut report = Report {
            production,
            findings: Vec::new(),
        };
        examine(&mut report);
        report
            .findings
            .iter()
            .map(|finding| finding.grade)
            .collect()
    }

    #[test]
    fn a_secret_that_others_can_read_or_guess_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        fs::write(&path, "x".repeat(40)).expect("a file");
        let close = |mode| {
            let rights = fs::Permissions::from_mode(mode);
            fs::set_permissions(&path, rights).expect("rights");
        };
        let told = |key: &str, production| found(production, |it| secret(key, &path, it));
        for mode in [0o600, 0o400] {
            close(mode);
            assert_eq!(told("unsubscribe.key_file", true), []);
        }
        for mode in [0o640, 0o604, 0o620] {
            close(mode);
            assert_eq!(told("unsubscribe.key_file", false), [Grade::Warning]);
            assert_eq!(told("unsubscribe.key_file", true), [Grade::Failure]);
        }
        close(0o600);
        fs::write(&path, "hunter2").expect("a file");
        assert_eq!(told("unsubscribe.key_file", true), [Grade::Failure]);
        assert_eq!(told("providers.mail.password_file", true), [Grade::Warning]);
        assert_eq!(told("store.url_file", true), []);
        let missing = folder.path().join("missing");
        let missing = found(false, |it| secret("unsubscribe.key_file", &missing, it));
        assert_eq!(missing, [Grade::Failure]);
    }

    #[test]
    fn an_address_that_is_open_to_others_is_told_and_one_that_is_taken_is_no_harm() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = taken.local_addr().expect("an address");
        assert_eq!(found(true, |it| listen(address, it)), [Grade::Good]);
        let open: SocketAddr = "0.0.0.0:0".parse().expect("an address");
        let told = [Grade::Good, Grade::Failure];
        assert_eq!(found(true, |it| listen(open, it)), told);
        // Reserved for documentation (RFC 5737): no machine has it.
        let nowhere: SocketAddr = "192.0.2.1:8088".parse().expect("an address");
        assert_eq!(found(false, |it| listen(nowhere, it))[0], Grade::Failure);
    }
}
