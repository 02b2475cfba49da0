//! The ways that packets take through the datapath, and how a reader of counters knows them.

use lb_common::state::Method;

use super::frames::Segment;
use crate::datapath::Family;

/// What stands in a packet's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setting {
    /// The TC program of a device with maps of its own.
    Tc,
    /// That of a device which shares programs and maps.
    Shared,
    /// The TC program at the device's outer end, alone.
    Outer,
    /// The XDP program alone.
    Xdp,
}

impl Setting {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Tc => "tc",
            Self::Shared => "tc, shared",
            Self::Outer => "tc, outer end",
            Self::Xdp => "xdp",
        }
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// A segment that leaves its connection established.
    Along(Segment),
    /// A SYN that opens a connection.
    Opens,
    /// The client's FIN, before the member's.
    FirstFin,
    /// The member's FIN, after the client's.
    SecondFin,
    /// The client's RST.
    Reset,
    /// The member's RST in answer to the SYN, which then goes to another member.
    Redispatch,
    /// A SYN to a port of the VIP at which nobody listens.
    OtherPort,
    /// ARP.
    NotIp,
}

/// What the connections of a path have come to when it is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ready {
    Unknown,
    Opening,
    Established,
    HalfClosed,
}

impl Path {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Along(Segment::ClientData) => "established, client's data",
            Self::Along(Segment::ClientAck) => "established, client's ACK",
            Self::Along(Segment::MemberData) => "established, member's data",
            Self::Along(_) => "established, member's ACK",
            Self::Opens => "SYN",
            Self::FirstFin => "FIN of the client, the first",
            Self::SecondFin => "FIN of the member, the second",
            Self::Reset => "RST of the client",
            Self::Redispatch => "RST of the member: redispatch",
            Self::OtherPort => "not ours, SYN to another port",
            Self::NotIp => "not ours, ARP",
        }
    }

    /// The segment, if it is one of a connection.
    pub(super) const fn segment(self) -> Option<Segment> {
        match self {
            Self::Along(segment) => Some(segment),
            Self::Opens => Some(Segment::Syn),
            Self::FirstFin => Some(Segment::ClientFin),
            Self::SecondFin => Some(Segment::MemberFin),
            Self::Reset => Some(Segment::ClientRst),
            Self::Redispatch => Some(Segment::Refusal),
            Self::OtherPort | Self::NotIp => None,
        }
    }

    pub(super) const fn ready(self) -> Ready {
        match self {
            Self::Along(_) | Self::FirstFin | Self::Reset => Ready::Established,
            Self::SecondFin => Ready::HalfClosed,
            Self::Redispatch => Ready::Opening,
            Self::Opens | Self::OtherPort | Self::NotIp => Ready::Unknown,
        }
    }

    /// Whether a connection takes this way once. What the XDP program passes on it leaves as it is.
    pub(super) fn is_once(self, setting: Setting) -> bool {
        let again = matches!(self, Self::Along(_) | Self::OtherPort | Self::NotIp);
        !again && setting != Setting::Xdp
    }

    /// The counters that each packet moves by one; it moves no others.
    pub(super) const fn counters(self, setting: Setting) -> &'static [&'static str] {
        match (setting, self) {
            (Setting::Xdp, Self::Along(Segment::ClientData | Segment::ClientAck)) => {
                &["forward_to_member", "xdp_forwarded"]
            }
            (Setting::Xdp, Self::Along(_)) => &["forward_to_client", "xdp_forwarded"],
            (Setting::Xdp, Self::Opens | Self::OtherPort) => &["xdp_pass_unknown"],
            (Setting::Xdp, Self::NotIp) => &["xdp_pass_frame"],
            (Setting::Xdp, _) => &["xdp_pass_phase"],
            (
                Setting::Outer,
                Self::Along(Segment::ClientData | Segment::ClientAck) | Self::FirstFin,
            ) => &["forward_to_member", "outer_forwarded"],
            (Setting::Outer, Self::Along(_)) => &["forward_to_client", "outer_forwarded"],
            (Setting::Outer, Self::SecondFin) => {
                &["forward_to_client", "connection_closed", "outer_forwarded"]
            }
            (Setting::Outer, Self::Reset) => {
                &["forward_to_member", "connection_closed", "outer_forwarded"]
            }
            (Setting::Outer, Self::Opens) => {
                &["forward_to_member", "connection_opened", "outer_forwarded"]
            }
            (Setting::Outer, Self::OtherPort) => &["outer_pass_unknown"],
            (Setting::Outer, Self::Redispatch) => &["outer_pass_opening"],
            (Setting::Outer, Self::NotIp) => &["outer_pass_frame"],
            (_, Self::Along(Segment::ClientData | Segment::ClientAck) | Self::FirstFin) => {
                &["forward_to_member"]
            }
            (_, Self::Along(_)) => &["forward_to_client"],
            (_, Self::Opens) => &["forward_to_member", "connection_opened"],
            (_, Self::SecondFin) => &["forward_to_client", "connection_closed"],
            (_, Self::Reset) => &["forward_to_member", "connection_closed"],
            (_, Self::Redispatch) => &["forward_to_member", "redispatched_refused"],
            (_, Self::OtherPort) => &["pass_not_vip"],
            (_, Self::NotIp) => &["pass_not_ip"],
        }
    }

    /// What the program returns: TC_ACT_REDIRECT or TC_ACT_UNSPEC, XDP_TX or XDP_PASS.
    pub(super) const fn verdict(self, setting: Setting) -> u32 {
        match (setting, self) {
            (Setting::Xdp, Self::Along(_)) => 3,
            (Setting::Xdp, _) => 2,
            (_, Self::OtherPort | Self::NotIp) | (Setting::Outer, Self::Redispatch) => u32::MAX,
            (_, _) => 7,
        }
    }
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) path: Path,
    pub(super) setting: Setting,
    pub(super) family: Family,
    pub(super) method: Method,
    /// Pools of the datapath, that of the packets among them.
    pub(super) pools: u32,
    /// Members of the pool.
    pub(super) members: usize,
    /// Established connections that are there, those that are measured aside.
    pub(super) flows: u32,
}

impl Case {
    /// The policy, where it matters.
    pub(super) const fn policy(&self) -> &'static str {
        if !matches!(self.path, Path::Opens | Path::Redispatch) {
            return "-";
        }
        match self.method {
            Method::RoundRobin => "round_robin",
            Method::LeastConn => "least_conn",
            Method::SourceIp => "source_ip",
            Method::SourceIpPort => "source_ip_port",
            Method::LeastResponseTime => "least_response_time",
        }
    }

    pub(super) const fn family(&self) -> &'static str {
        match self.family {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        }
    }

    /// All of it, for messages.
    pub(super) fn told(&self) -> String {
        let Self { path, setting, pools, members, flows, .. } = self;
        format!(
            "{} ({}, {}, {flows} flows, {members} members, {pools} pools, policy {})",
            path.name(),
            setting.name(),
            self.family(),
            self.policy()
        )
    }
}
