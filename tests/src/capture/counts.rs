/// tcpdump's own counts of packets, as tcpdump(1) describes them.
#[derive(Debug)]
pub(super) struct Counts {
    /// Read and written to the file.
    pub(super) captured: u64,
    /// Accepted by the filter, read or not.
    pub(super) received: u64,
    /// Accepted by the filter, lost because the ring was full.
    pub(super) dropped: u64,
}

impl Counts {
    /// From the line "tcpdump: 8 packets captured, 8 packets received by filter, 0 packets dropped
    /// by kernel".
    pub(super) fn parse(line: &str) -> Option<Self> {
        let count = |what: &str| {
            let part = line.split(", ").find(|part| part.ends_with(what))?;
            part.trim_start_matches("tcpdump: ").split(' ').next()?.parse().ok()
        };
        let (captured, received) = (count("captured")?, count("received by filter")?);
        Some(Self { captured, received, dropped: count("dropped by kernel")? })
    }
}
