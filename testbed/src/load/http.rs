//! The one request that the load sends and the one answer that is right.

/// The request for a job.
pub fn request(host: &str, id: u64, service_us: u128) -> Vec<u8> {
    format!(
        "GET /job?id={id}&us={service_us} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .into_bytes()
}

/// What an answer says, if it is the right and whole one: the server's name.
pub fn check(answer: &[u8], id: u64) -> Result<Option<String>, String> {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return Err(format!(
            "ended after {} bytes, inside the head",
            answer.len()
        ));
    };
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        return Err(status.to_owned());
    }
    let header = |name: &str| {
        lines
            .clone()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
    };
    let expected = format!("job {id} done\n");
    if body != expected {
        return Err(format!("{body:?} instead of {expected:?}"));
    }
    Ok(header("X-Server"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str =
        "HTTP/1.1 200 OK\r\nDate: x\r\nX-Server: s3\r\nContent-Length: 11\r\n\r\njob 7 done\n";

    #[test]
    fn the_right_answer_names_its_server() {
        assert_eq!(check(ANSWER.as_bytes(), 7), Ok(Some("s3".into())));
    }

    #[test]
    fn every_shorter_or_other_answer_is_wrong() {
        for len in 0..ANSWER.len() {
            assert!(check(&ANSWER.as_bytes()[..len], 7).is_err(), "{len} bytes");
        }
        assert!(check(ANSWER.as_bytes(), 8).is_err());
        assert!(check(format!("{ANSWER}x").as_bytes(), 7).is_err());
        let error = ANSWER.replace("200 OK", "503 Service Unavailable");
        assert_eq!(
            check(error.as_bytes(), 7),
            Err("HTTP/1.1 503 Service Unavailable".into())
        );
    }
}
