//! The columns of `show stat`, and a row of them.

use std::collections::HashMap;
use std::fmt::{Display, Write as _};

/// Every column of HAProxy 2.6, in its order; the first 62 are those of HAProxy 1.5 (manual, 9.1).
pub(super) const COLUMNS: &str = "pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,dreq,dresp,ereq,econ,eresp,\
wretr,wredis,status,weight,act,bck,chkfail,chkdown,lastchg,downtime,qlimit,pid,iid,sid,throttle,lbtot,tracked,type,\
rate,rate_lim,rate_max,check_status,check_code,check_duration,hrsp_1xx,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,hrsp_other,\
hanafail,req_rate,req_rate_max,req_tot,cli_abrt,srv_abrt,comp_in,comp_out,comp_byp,comp_rsp,lastsess,last_chk,last_agt,\
qtime,ctime,rtime,ttime,agent_status,agent_code,agent_duration,check_desc,agent_desc,check_rise,check_fall,check_health,\
agent_rise,agent_fall,agent_health,addr,cookie,mode,algo,conn_rate,conn_rate_max,conn_tot,intercepted,dcon,dses,wrew,\
connect,reuse,cache_lookups,cache_hits,srv_icur,src_ilim,qtime_max,ctime_max,rtime_max,ttime_max,eint,idle_conn_cur,\
safe_conn_cur,used_conn_cur,need_conn_est,uweight,agg_server_status,agg_server_check_status,agg_check_status,-,ssl_sess,\
ssl_reused_sess,ssl_failed_handshake,h2_headers_rcvd,h2_data_rcvd,h2_settings_rcvd,h2_rst_stream_rcvd,h2_goaway_rcvd,\
h2_detected_conn_protocol_errors,h2_detected_strm_protocol_errors,h2_rst_stream_resp,h2_goaway_resp,h2_open_connections,\
h2_backend_open_streams,h2_total_connections,h2_backend_total_streams,h1_open_connections,h1_open_streams,\
h1_total_connections,h1_total_streams,h1_bytes_in,h1_bytes_out,h1_spliced_bytes_in,h1_spliced_bytes_out";

/// The column between HAProxy's own and those of its modules, which has this name and this value.
const DIVIDER: &str = "-";

/// The first line of an answer.
pub(super) fn header() -> String {
    format!("# {COLUMNS},\n")
}

/// The cells of a row by column. What is not there is empty.
#[derive(Debug, Default)]
pub(super) struct Row(HashMap<&'static str, String>);

impl Row {
    pub(super) fn set(&mut self, column: &'static str, value: impl Display) {
        debug_assert!(COLUMNS.split(',').any(|name| name == column), "there is no column {column}");
        self.0.insert(column, value.to_string());
    }

    /// Sets what is known.
    pub(super) fn know(&mut self, column: &'static str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.set(column, value);
        }
    }

    /// Sets several numbers to zero.
    pub(super) fn zero<const N: usize>(&mut self, columns: [&'static str; N]) {
        columns.into_iter().for_each(|column| self.set(column, 0));
    }

    /// The row as a line.
    pub(super) fn line(&self) -> String {
        let mut line = String::new();
        for column in COLUMNS.split(',') {
            match self.0.get(column) {
                Some(value) => quote(value, &mut line),
                None if column == DIVIDER => line.push_str(DIVIDER),
                None => {}
            }
            line.push(',');
        }
        line.push('\n');
        line
    }
}

/// Values with a comma, quote or end of line stand in quotes, and quotes in them are doubled (RFC 4180).
fn quote(value: &str, line: &mut String) {
    match value.contains([',', '"', '\n']) {
        true => {
            let _ = write!(line, "\"{}\"", value.replace('"', "\"\""));
        }
        false => line.push_str(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_every_column_and_a_comma_behind_each() {
        let mut row = Row::default();
        row.set("pxname", "a,\"b");
        row.zero(["scur", "h1_spliced_bytes_out"]);
        row.know("smax", None::<u8>);
        let line = row.line();
        assert!(line.starts_with("\"a,\"\"b\",,,,0,,"), "{line}");
        assert!(line.ends_with(",,0,\n"), "{line}");
        assert_eq!(line.matches(',').count() - 1, COLUMNS.split(',').count());
        assert_eq!(COLUMNS.split(',').nth(61), Some("ttime"), "the last of HAProxy 1.5");
    }
}
