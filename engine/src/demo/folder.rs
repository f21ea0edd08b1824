//! The demo's data folder: one demo of one seed lies in it, and goes on there after a kill.
//!
//! A mark says so. It is written before anything else, so that whatever else is in a marked folder
//! comes from this demo: the ids of its tenants and campaigns are those of a fresh database.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::DemoError;
use super::witness::Notebook;

const MARK: &str = "demo.json";
const DATABASE: &str = "regua.db";

/// Where a demo's data lies.
pub(super) struct DemoFolder {
    path: PathBuf,
    /// Removed when the demo is over.
    temporary: Option<TempDir>,
}

#[derive(Serialize, Deserialize)]
struct Mark {
    seed: u64,
}

impl DemoFolder {
    /// Opens the folder, and marks it if it is new; without a path it is a temporary one.
    pub(super) fn open(path: Option<&Path>, seed: u64) -> Result<Self, DemoError> {
        let Some(path) = path else {
            let temporary = TempDir::new().map_err(DemoError::Folder)?;
            return Ok(Self {
                path: temporary.path().to_owned(),
                temporary: Some(temporary),
            });
        };
        fs::create_dir_all(path).map_err(DemoError::Folder)?;
        match fs::read(path.join(MARK)) {
            Ok(text) => match serde_json::from_slice::<Mark>(&text) {
                Ok(mark) if mark.seed == seed => {}
                Ok(_) => return Err(DemoError::OtherSeed),
                Err(_) => return Err(DemoError::NoDemo),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => mark(path, seed)?,
            Err(error) => return Err(DemoError::Folder(error)),
        }
        Ok(Self {
            path: path.to_owned(),
            temporary: None,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the notebook: a file only where somebody may read it later.
    pub(super) fn notebook(&self) -> Result<Notebook, DemoError> {
        if self.temporary.is_some() {
            return Ok(Notebook::default());
        }
        Notebook::open(&self.path.join("notebook.jsonl")).map_err(DemoError::Notebook)
    }
}

fn mark(path: &Path, seed: u64) -> Result<(), DemoError> {
    if path.join(DATABASE).exists() {
        return Err(DemoError::NoDemo);
    }
    let text = serde_json::to_vec(&Mark { seed })
        .map_err(io::Error::other)
        .map_err(DemoError::Folder)?;
    // Whole or not at all, whenever the process is killed.
    let draft = path.join("demo.json.new");
    fs::write(&draft, text)
        .and_then(|()| fs::rename(&draft, path.join(MARK)))
        .map_err(DemoError::Folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_belongs_to_one_demo_of_one_seed() {
        let place = TempDir::new().expect("a folder");
        let folder = place.path().join("new");
        for _ in 0..2 {
            assert!(DemoFolder::open(Some(&folder), 1).is_ok());
        }
        let other = DemoFolder::open(Some(&folder), 2);
        assert!(matches!(other, Err(DemoError::OtherSeed)));
    }

    #[test]
    fn a_folder_with_somebody_elses_database_is_left_alone() {
        let folder = TempDir::new().expect("a folder");
        fs::write(folder.path().join(DATABASE), "boletos").expect("a file");
        let opened = DemoFolder::open(Some(folder.path()), 1);
        assert!(matches!(opened, Err(DemoError::NoDemo)));
        assert!(!folder.path().join(MARK).exists());
    }
}
