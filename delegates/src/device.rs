//! What a device is, as far as what was measured on it depends on that.

/// System, release and hardware in one line.
pub(crate) fn device() -> String {
    let name = [system(), hardware()].join(" ");
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(unix)]
fn system() -> String {
    let own = rustix::system::uname();
    // On Apple's phones the machine is the model, such as `iPhone16,1`.
    [own.sysname(), own.release(), own.machine()].map(|part| part.to_string_lossy().into_owned()).join(" ")
}

#[cfg(not(unix))]
fn system() -> String {
    format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)
}

/// The build of the whole system, drivers of its NPU among it.
#[cfg(target_os = "android")]
fn hardware() -> String {
    let asked = std::process::Command::new("getprop").arg("ro.build.fingerprint").output();
    asked.map(|said| String::from_utf8_lossy(&said.stdout).into_owned()).unwrap_or_default()
}

#[cfg(target_os = "linux")]
fn hardware() -> String {
    let told = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = told.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    model.trim_start_matches([' ', '\t', ':']).to_owned()
}

#[cfg(not(any(target_os = "android", target_os = "linux")))]
fn hardware() -> String {
    String::new()
}

#[cfg(test)]
mod tests {
    use super::device;

    #[test]
    fn a_device_is_named_in_one_line() {
        let name = device();
        assert_eq!(name, device());
        assert!(name.split(' ').count() >= 2 && !name.contains('\n'), "{name:?}");
    }
}
