//! The `loamd` program.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod args;
#[cfg_attr(not(any(target_os = "linux", target_os = "android")), path = "unsupported.rs")]
mod daemon;

fn main() -> std::process::ExitCode {
    daemon::main()
}
