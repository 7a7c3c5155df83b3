//! What can go wrong with the host, in words that say what to do about it.

use std::io;

/// Something that the daemon needs of its host could not be had.
#[derive(Debug)]
pub struct HostError {
    /// Which item, as `status` shows it.
    pub item: String,
    /// What went wrong.
    pub error: io::Error,
    /// Neither what was wanted nor what was in force before is there as a whole.
    pub is_half_done: bool,
}

impl HostError {
    pub(super) fn new(item: impl Into<String>, error: io::Error) -> Self {
        HostError {
            item: item.into(),
            error,
            is_half_done: false,
        }
    }

    /// This error, and the one that going back to what was in force has met with.
    pub(super) fn and(self, second: &HostError) -> Self {
        let (error, remedy) = (&self.error, self.remedy());
        let text = format!(
            "{error}{remedy}; what was in force before could not all be put back: {second}"
        );
        HostError {
            is_half_done: true,
            ..HostError::new(self.item, io::Error::other(text))
        }
    }

    /// The remedy, as far as it can be told from the error.
    fn remedy(&self) -> &'static str {
        match self.error.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => "; run as root, or with CAP_NET_ADMIN",
            Some(libc::ENODEV) => "; there is no such network device in this network namespace",
            Some(libc::EROFS) => {
                "; /proc/sys is read-only here: set this value from outside the container"
            }
            Some(libc::EOPNOTSUPP | libc::EAFNOSUPPORT) => {
                "; this kernel lacks it: is IPv6 switched on?"
            }
            _ => "",
        }
    }
}

impl std::fmt::Display for HostError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}{}", self.item, self.error, self.remedy())
    }
}

impl std::error::Error for HostError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The message holds it already.
        None
    }
}

/// What a removal could not remove, as one error.
pub fn nothing_is_left(errors: &[HostError]) -> anyhow::Result<()> {
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    anyhow::ensure!(
        errors.is_empty(),
        "not everything could be removed from this host:\n{}",
        errors.join("\n")
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_that_have_a_remedy_say_it() {
        let rows = [
            (libc::EPERM, "Operation not permitted (os error 1); run as root, or with CAP_NET_ADMIN"),
            (libc::ENODEV, "No such device (os error 19); there is no such network device in this network namespace"),
            (libc::EROFS, "Read-only file system (os error 30); /proc/sys is read-only here: set this value from outside the container"),
            (libc::EEXIST, "File exists (os error 17)"),
        ];
        for (code, text) in rows {
            let error = HostError::new("route x", io::Error::from_raw_os_error(code));
            assert_eq!(error.to_string(), format!("route x: {text}"));
        }
    }
}
