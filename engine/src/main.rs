//! The binary `regua`.

fn main() -> std::process::ExitCode {
    engine::cli::run()
}
