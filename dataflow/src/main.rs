//! The `strateye` command.

fn main() -> std::process::ExitCode {
    strateye::cli::main()
}
