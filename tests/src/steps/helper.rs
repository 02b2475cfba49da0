//! What programs ask of the kernel (linux/bpf.h).

use lb_common::checksum;
use nix::time::{ClockId, clock_gettime};

use super::Error;
use super::machine::Machine;

/// Numbers of helpers.
const LOOK_UP: i32 = 1;
const UPDATE: i32 = 2;
const DELETE: i32 = 3;
const NOW: i32 = 5;
const STORE_BYTES: i32 = 9;
const L3_CHECKSUM: i32 = 10;
const L4_CHECKSUM: i32 = 11;
const TAIL_CALL: i32 = 12;
const REDIRECT_TO: i32 = 23;
const LOAD_BYTES: i32 = 26;
const CHANGE_TAIL: i32 = 38;
const RESERVE: i32 = 131;
const SUBMIT: i32 = 132;
const REDIRECT_NEIGHBOUR: i32 = 152;
const COARSE_NOW: i32 = 160;
const LOOP: i32 = 181;

/// `TC_ACT_REDIRECT` of linux/pkt_cls.h, and what helpers return that did not what was asked.
const REDIRECT: u64 = 7;
const FAILED: u64 = -14_i64 as u64;
const EXISTS: u64 = -17_i64 as u64;
const MISSING: u64 = -2_i64 as u64;

/// `BPF_NOEXIST` and `BPF_EXIST`.
const NO_EXIST: u64 = 1;
const EXIST: u64 = 2;

impl Machine<'_> {
    /// Does what a helper does.
    pub(super) fn help(
        &mut self,
        helper: i32,
        [a, b, c, d, _]: [u64; 5],
        depth: usize,
    ) -> Result<u64, Error> {
        match helper {
            LOOK_UP => {
                let (map, key) = (a as usize, self.key(a, b)?);
                self.count(map, false);
                Ok(self.value(map, &key)?.unwrap_or(0))
            }
            UPDATE => self.update(a as usize, b, c, d),
            DELETE => {
                let (map, key) = (a as usize, self.key(a, b)?);
                self.count(map, true);
                let there = self.value(map, &key)?.is_some();
                self.tables.note(map, &key, None);
                Ok(if there { 0 } else { MISSING })
            }
            NOW | COARSE_NOW => {
                let now = clock_gettime(ClockId::CLOCK_MONOTONIC);
                let now = now.map_err(|error| self.fault(error.to_string()))?;
                Ok(now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
            }
            LOAD_BYTES => {
                let Some(bytes) = piece(self.memory.packet(), b, d) else { return Ok(FAILED) };
                let bytes = bytes.to_vec();
                let room = self.memory.bytes_mut(c, bytes.len());
                let Some(room) = room else { return Err(self.fault("no room to load into")) };
                room.copy_from_slice(&bytes);
                Ok(0)
            }
            STORE_BYTES => {
                let bytes = self.memory.bytes(c, d as usize).map(<[u8]>::to_vec);
                let bytes = bytes.ok_or_else(|| self.fault("nothing to store"))?;
                let place = usize::try_from(b).ok().and_then(|at| {
                    self.memory.packet_mut().get_mut(at..at.checked_add(bytes.len())?)
                });
                let Some(place) = place else { return Ok(FAILED) };
                place.copy_from_slice(&bytes);
                Ok(0)
            }
            L3_CHECKSUM | L4_CHECKSUM => {
                let Some(field) = piece(self.memory.packet(), b, 2) else { return Ok(FAILED) };
                let field = u16::from_ne_bytes([field[0], field[1]]);
                let field = checksum::apply(field, d as u16).to_ne_bytes();
                self.memory.packet_mut()[b as usize..b as usize + 2].copy_from_slice(&field);
                Ok(0)
            }
            TAIL_CALL => {
                self.left_for = self.stepper.next.get(&(c as u32)).cloned();
                Ok(MISSING)
            }
            CHANGE_TAIL => {
                self.memory.resize_packet(b as usize);
                Ok(0)
            }
            // Who reads the ring is not part of this.
            RESERVE => Ok(self.memory.add(vec![0; b as usize])),
            SUBMIT => Ok(0),
            REDIRECT_TO | REDIRECT_NEIGHBOUR => Ok(REDIRECT),
            LOOP => {
                for index in 0..a {
                    if self.call_back(b, [index, c, 0, 0, 0], depth + 1)? != 0 {
                        return Ok(index + 1);
                    }
                }
                Ok(a)
            }
            _ => Err(self.fault(format!("helper {helper}"))),
        }
    }

    fn update(&mut self, map: usize, key: u64, value: u64, flags: u64) -> Result<u64, Error> {
        let key = self.key(map as u64, key)?;
        self.count(map, true);
        let described = self.tables.described(map).ok_or_else(|| self.fault("no such map"))?;
        let value = self.memory.bytes(value, described.value).map(<[u8]>::to_vec);
        let value = value.ok_or_else(|| self.fault("no value to add"))?;
        match (self.value(map, &key)?, flags) {
            (Some(_), NO_EXIST) => Ok(EXISTS),
            (None, EXIST) => Ok(MISSING),
            _ => {
                let at = self.memory.add(value);
                self.tables.note(map, &key, Some(at));
                Ok(0)
            }
        }
    }

    fn key(&self, map: u64, at: u64) -> Result<Vec<u8>, Error> {
        let described = self.tables.described(map as usize);
        let key = described.and_then(|map| self.memory.bytes(at, map.key));
        key.map(<[u8]>::to_vec).ok_or_else(|| self.fault("no key to look up"))
    }

    /// Where the value of a key is, if it has one.
    fn value(&mut self, map: usize, key: &[u8]) -> Result<Option<u64>, Error> {
        if let Some(known) = self.tables.seen(map, key) {
            return Ok(known);
        }
        let at = self.tables.read(map, key)?.map(|value| self.memory.add(value));
        self.tables.note(map, key, at);
        Ok(at)
    }

    fn count(&mut self, map: usize, changes: bool) {
        let name = self.tables.described(map).map_or_else(String::new, |map| map.name.clone());
        let counts = if changes { &mut self.steps.changes } else { &mut self.steps.lookups };
        *counts.entry(name).or_default() += 1;
    }
}

/// Bytes of a packet.
fn piece(packet: &[u8], at: u64, len: u64) -> Option<&[u8]> {
    let at = usize::try_from(at).ok()?;
    packet.get(at..at.checked_add(len as usize)?)
}
