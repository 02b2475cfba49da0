//! `show info`: what is known of the process that answers.

use std::time::Duration;

/// What the process is and does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Info {
    /// Its id.
    pub pid: u32,
    /// How long it has run.
    pub uptime: Duration,
    /// Seconds since 1970 when it started.
    pub started: u64,
    /// Most connections at once, of all pools.
    pub limit: u64,
    /// Connections at once.
    pub connections: u64,
    /// Connections since the pools are served.
    pub total: u64,
    /// Connections in the last second, and most in a second.
    pub rate: (u64, u64),
    /// Listeners.
    pub listeners: usize,
    /// Log lines that nobody took.
    pub dropped_logs: u64,
}

/// The answer to `show info`, with HAProxy's names for what there is.
pub fn info(info: &Info) -> String {
    let seconds = info.uptime.as_secs();
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    let version = env!("CARGO_PKG_VERSION");
    let Info { pid, limit, connections, total, rate, listeners, dropped_logs, started, .. } = info;
    format!(
        "Name: qlb\nVersion: {version}\nNbthread: 1\nNbproc: 1\nProcess_num: 1\nPid: {pid}\n\
         Uptime: {days}d {hours}h{minutes:02}m{rest:02}s\nUptime_sec: {seconds}\n\
         Maxconn: {limit}\nHard_maxconn: {limit}\nCurrConns: {connections}\nCumConns: {total}\n\
         ConnRate: {}\nMaxConnRate: {}\nSessRate: {}\nMaxSessRate: {}\nStopping: 0\n\
         Listeners: {listeners}\nDroppedLogs: {dropped_logs}\nStart_time_sec: {started}\n\n",
        rate.0, rate.1, rate.0, rate.1
    )
}
