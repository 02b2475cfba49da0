//! What is done with a packet, and why.
//!
//! Numbers are part of the layout: they index the counters map, appear in dumps
//! and are never reused. A new reason takes the next free number of its block.

use zerocopy::FromZeros;

/// Where a forwarded packet goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromZeros)]
#[repr(u8)]
pub enum Direction {
    /// From a client to its member.
    #[default]
    ToMember,
    /// From a member to its client.
    ToClient,
}

macro_rules! reasons {
    ($(#[$doc:meta])* $name:ident { $($(#[doc = $text:literal])+ $variant:ident = $number:literal, $label:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub enum $name {
            $($(#[doc = $text])+ $variant = $number,)+
        }

        impl $name {
            /// Every value, in the order of the numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The number; that of something that is counted is the index of the counter.
            #[inline(always)]
            pub const fn number(self) -> u32 {
                self as u32
            }

            /// The name, as reports and metrics print it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }

            /// What it means, for operators.
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => concat!($($text,)+),)+ }
            }
        }
    };
}
pub(crate) use reasons;

reasons! {
    /// Why a packet is left to the stack, untouched.
    PassReason {
        /** the frame is addressed to another host's MAC address */
        OtherHost = 8, "pass_other_host";
        /** neither IPv4 nor IPv6: ARP, LLDP and the like */
        NotIp = 9, "pass_not_ip";
        /** neither TCP nor UDP: ping, neighbour discovery and the like */
        NotTcp = 10, "pass_not_tcp";
        /** a fragment of no datagram that is being forwarded: of the stack's own, or come before its first one */
        Fragment = 11, "pass_fragment";
        /** headers are cut short or contradict each other */
        Malformed = 12, "pass_malformed";
        /** no listener at this address and port, and no connection either */
        NotVip = 13, "pass_not_vip";
        /** to a listener, but of no known connection and not opening one; the stack answers RST */
        NoConnection = 14, "pass_no_connection";
        /** the frame carries a VLAN tag; a VIP on a VLAN is served on the device of that */
        Vlan = 15, "pass_vlan";
        /** an ICMP error about no known connection */
        ErrorUnknown = 24, "pass_icmp_unknown";
        /** an ICMP error about a segment that its connection cannot be waiting for */
        ErrorStale = 25, "pass_icmp_stale";
    }
}

reasons! {
    /// Why a new connection is refused: it is left to the stack, which answers RST, or to a datagram that its
    /// port is unreachable.
    RefuseReason {
        /** the VIP or its pool is administratively down */
        Disabled = 32, "refuse_disabled";
        /** no member may take new connections */
        NoMember = 33, "refuse_no_member";
        /** no NAT port towards the chosen member was found free */
        NoPort = 34, "refuse_no_port";
        /** the conntrack table is full */
        TableFull = 35, "refuse_table_full";
        /** every member that may take new connections has as many as it is allowed */
        MembersFull = 36, "refuse_members_full";
        /** the VIP has as many connections as its connection_limit allows (overflow: reset) */
        ConnectionLimit = 38, "refuse_connection_limit";
        /** towards no member that may take it are the client's own address and port free (mode: dnat or dsr) */
        ClientPortTaken = 120, "refuse_client_port_taken";
    }
}

reasons! {
    /// Why a packet is dropped.
    DropReason {
        /** the kernel refused to change the packet's bytes */
        Rewrite = 48, "drop_rewrite";
        /** the configuration in the maps contradicts itself; please report it */
        Inconsistent = 49, "drop_inconsistent";
        /** a SYN or datagram to a VIP that has as many connections as its connection_limit allows (overflow: drop) */
        ConnectionLimit = 54, "drop_connection_limit";
        /** a SYN or datagram of a client outside the VIP's allowed_cidrs */
        NotAllowed = 55, "drop_not_allowed";
        /** an ICMP error beyond the thousand a second that a pool's connections are told of */
        ErrorRate = 60, "drop_icmp_rate";
        /** a first fragment to a listener or of a connection, without a whole TCP header (RFC 1858) */
        FragmentTiny = 110, "drop_fragment_tiny";
        /** a later fragment that would change the TCP header in the first one (RFC 1858, RFC 3128) */
        FragmentOverlap = 111, "drop_fragment_overlap";
        /** a client's SYN or datagram whose TTL or hop limit is used up, as when VIPs are each other's members */
        HopLimit = 112, "drop_hop_limit";
    }
}

impl DropReason {
    /// Whether something is out of order, as opposed to the operator having asked for it.
    #[inline(always)]
    pub const fn is_fault(self) -> bool {
        match self {
            Self::Rewrite | Self::Inconsistent => true,
            Self::ConnectionLimit
            | Self::NotAllowed
            | Self::ErrorRate
            | Self::FragmentTiny
            | Self::FragmentOverlap
            | Self::HopLimit => false,
        }
    }
}

/// What is done with a packet that is not dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Rewritten, or with its next hop set ([`crate::packet::Packet::set_next_hop`]): send it out of the
    /// device it came from.
    Forward(Direction),
    /// Not ours: the stack gets it, untouched.
    Pass(PassReason),
    /// Ours but not to be served: the stack gets it, untouched, and answers RST, or that the port
    /// is unreachable.
    Refuse(RefuseReason),
}
