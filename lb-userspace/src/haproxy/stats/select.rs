//! Which rows are asked for: `show stat [<iid|proxy> <types> <sid>]`.

use super::row::Kind;

/// What stands behind `show stat`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection(Option<(String, i64, i64)>);

/// The same with the number of the proxy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    proxy: i64,
    types: i64,
    server: i64,
}

/// Stands for all proxies, types or servers.
const ANY: i64 = -1;

impl Selection {
    /// The selection of these words. With fewer than three there is none, as in HAProxy.
    pub fn of(words: &[&str]) -> Self {
        match words {
            [proxy, types, server, ..] => {
                Self(Some(((*proxy).to_owned(), number(types), number(server))))
            }
            [] | [_] | [_, _] => Self(None),
        }
    }

    /// Looks up the proxy, which may be named; none if there is no such one.
    pub(super) fn resolve<'a>(
        &self,
        mut proxies: impl Iterator<Item = (&'a str, usize)>,
    ) -> Option<Wanted> {
        let Some((proxy, types, server)) = &self.0 else {
            return Some(Wanted { proxy: ANY, types: ANY, server: ANY });
        };
        let named = || proxies.find(|(name, _)| name == proxy).map(|(_, iid)| iid as i64);
        let proxy = proxy.parse().ok().or_else(named)?;
        Some(Wanted { proxy, types: *types, server: *server })
    }
}

impl Wanted {
    /// Whether a row is asked for. Only servers have a number of their own.
    pub(super) fn takes(self, iid: usize, kind: Kind, sid: usize) -> bool {
        let proxy = self.proxy == ANY || self.proxy == iid as i64;
        let server = kind != Kind::Server || self.server == ANY || self.server == sid as i64;
        proxy && server && self.types & (1 << kind as u8) != 0
    }
}

/// What C's `atoi` makes of a word.
fn number(word: &str) -> i64 {
    let sign = usize::from(word.starts_with(['-', '+']));
    let digits = word[sign..].bytes().take_while(u8::is_ascii_digit).count();
    word[..sign + digits].parse().unwrap_or(0)
}
