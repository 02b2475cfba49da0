//! The machine: registers, calls and jumps.

use super::code::{Code, Place};
use super::memory::Memory;
use super::tables::Tables;
use super::{Error, Stepper, Steps, arithmetic};

/// What an address of a function has above its number.
const FUNCTION: u64 = 0xf << 60;
/// Nothing takes so many.
const MOST: u64 = 10_000_000;

/// Classes of instructions (RFC 9669 section 3.2).
const LD: u8 = 0x00;
const LDX: u8 = 0x01;
const ST: u8 = 0x02;
const STX: u8 = 0x03;
const ALU: u8 = 0x04;
const JMP: u8 = 0x05;
const JMP32: u8 = 0x06;
const ALU64: u8 = 0x07;

/// How memory is accessed (section 5).
const MEM: u8 = 0x60;
const ATOMIC: u8 = 0xc0;

/// A machine with a frame.
pub(super) struct Machine<'a> {
    pub(super) stepper: &'a Stepper,
    pub(super) tables: Tables<'a>,
    pub(super) memory: Memory,
    pub(super) steps: Steps,
    place: Place,
    /// The program that this one is left for.
    pub(super) left_for: Option<String>,
}

/// How a function ends.
enum End {
    Returned(u64),
    /// By a tail call.
    Left,
}

impl<'a> Machine<'a> {
    pub(super) fn new(stepper: &'a Stepper, tables: Tables<'a>, frame: &[u8]) -> Self {
        let place = Place { program: String::new(), at: 0 };
        Self {
            stepper,
            tables,
            memory: Memory::new(frame),
            steps: Steps::default(),
            place,
            left_for: None,
        }
    }

    /// Runs a program and those that it goes on with.
    pub(super) fn run(mut self, program: &str) -> Result<Steps, Error> {
        let mut next = program.to_owned();
        let verdict = loop {
            self.place = Place { program: next, at: 0 };
            let arguments = [Memory::context(), 0, 0, 0, 0];
            match self.function(arguments, 0)? {
                End::Returned(value) => break value,
                End::Left => next = self.left_for.take().unwrap_or_default(),
            }
        };
        self.steps.verdict = verdict as u32;
        self.steps.frame = self.memory.packet().to_vec();
        Ok(self.steps)
    }

    pub(super) fn fault(&self, what: impl Into<String>) -> Error {
        let Place { program, at } = &self.place;
        Error::Fault { program: program.clone(), at: at.saturating_sub(1), what: what.into() }
    }

    /// Calls the function at an address, as helpers do; returns what it returns.
    pub(super) fn call_back(
        &mut self,
        function: u64,
        arguments: [u64; 5],
        depth: usize,
    ) -> Result<u64, Error> {
        if function & FUNCTION != FUNCTION {
            return Err(self.fault("a callback that is no function"));
        }
        let back = self.place.at;
        self.place.at = (function & !FUNCTION) as usize;
        let end = self.function(arguments, depth)?;
        self.place.at = back;
        match end {
            End::Returned(value) => Ok(value),
            End::Left => Err(self.fault("a tail call of a callback")),
        }
    }

    /// Goes on at the place where the machine is until the function returns.
    fn function(&mut self, arguments: [u64; 5], depth: usize) -> Result<End, Error> {
        let stack = Memory::stack(depth).ok_or_else(|| self.fault("calls that are too deep"))?;
        let mut registers = [0; 11];
        registers[1..6].copy_from_slice(&arguments);
        registers[10] = stack;
        loop {
            let code = *self
                .stepper
                .code(&self.place)
                .ok_or_else(|| self.fault("no instruction there"))?;
            self.place.at += 1;
            self.steps.instructions += 1;
            if self.steps.instructions > MOST {
                return Err(self.fault("no end"));
            }
            match code.op & 0x07 {
                ALU | ALU64 => self.calculate(&code, &mut registers)?,
                LD => self.constant(&code, &mut registers)?,
                LDX | ST | STX => self.access(&code, &mut registers)?,
                JMP | JMP32 => match code.op {
                    0x95 => return Ok(End::Returned(registers[0])),
                    0x85 => {
                        let arguments =
                            [registers[1], registers[2], registers[3], registers[4], registers[5]];
                        registers[0] = self.call(&code, arguments, depth)?;
                        if self.left_for.is_some() {
                            return Ok(End::Left);
                        }
                    }
                    _ => self.jump(&code, &registers)?,
                },
                _ => return Err(self.fault("an unknown class")),
            }
        }
    }

    fn call(&mut self, code: &Code, arguments: [u64; 5], depth: usize) -> Result<u64, Error> {
        if code.src == 0 {
            return self.help(code.imm, arguments, depth);
        }
        let target = self.place.at as i64 + i64::from(code.imm);
        self.call_back(FUNCTION | target as u64, arguments, depth + 1)
    }

    fn calculate(&self, code: &Code, registers: &mut [u64; 11]) -> Result<(), Error> {
        let wide = code.op & 0x07 == ALU64;
        let by_register = code.op & 0x08 != 0;
        let value = registers[code.dst];
        let result = if code.op >> 4 == 0xd {
            arithmetic::reordered(by_register, code.imm, value)
        } else {
            let other = if by_register { registers[code.src] } else { i64::from(code.imm) as u64 };
            arithmetic::result(code.op & 0xf0, wide, value, other)
        };
        registers[code.dst] = result.ok_or_else(|| self.fault("unknown arithmetic"))?;
        Ok(())
    }

    fn jump(&mut self, code: &Code, registers: &[u64; 11]) -> Result<(), Error> {
        let wide = code.op & 0x07 == JMP;
        let other =
            if code.op & 0x08 != 0 { registers[code.src] } else { i64::from(code.imm) as u64 };
        let taken = match code.op >> 4 {
            0 => Some(true),
            _ => arithmetic::jumps(code.op & 0xf0, wide, registers[code.dst], other),
        };
        if taken.ok_or_else(|| self.fault("an unknown condition"))? {
            self.place.at = (self.place.at as i64 + i64::from(code.off)) as usize;
        }
        Ok(())
    }

    /// A constant of 64 bits takes two instructions' room: a number, a map, a place in one, or a function (section 5.4).
    fn constant(&mut self, code: &Code, registers: &mut [u64; 11]) -> Result<(), Error> {
        let second = self.stepper.code(&self.place).map_or(0, |code| code.imm);
        self.place.at += 1;
        registers[code.dst] = match code.src {
            0 => u64::from(code.imm.cast_unsigned()) | u64::from(second.cast_unsigned()) << 32,
            1 => code.imm as u64,
            2 => self.constants(code.imm as usize)? + second as u64,
            4 => FUNCTION | (self.place.at as i64 - 1 + i64::from(code.imm)) as u64,
            _ => return Err(self.fault("an unknown constant")),
        };
        Ok(())
    }

    /// Where the constants of a section are.
    fn constants(&mut self, map: usize) -> Result<u64, Error> {
        if let Some(Some(at)) = self.tables.seen(map, &[]) {
            return Ok(at);
        }
        let described = self.tables.described(map).ok_or_else(|| self.fault("no such map"))?;
        let at = self.memory.add(described.data.clone());
        self.tables.note(map, &[], Some(at));
        Ok(at)
    }

    fn access(&mut self, code: &Code, registers: &mut [u64; 11]) -> Result<(), Error> {
        let size = match code.op & 0x18 {
            0x00 => 4,
            0x08 => 2,
            0x10 => 1,
            _ => 8,
        };
        let is_load = code.op & 0x07 == LDX;
        let base = registers[if is_load { code.src } else { code.dst }];
        let at = base.wrapping_add_signed(code.off.into());
        let outside = |machine: &Self| machine.fault(format!("memory at {at:#x}"));
        match (code.op & 0xe0, code.op & 0x07) {
            (MEM, LDX) => {
                let value = self.memory.load(at, size).ok_or_else(|| outside(self))?;
                registers[code.dst] = value;
            }
            (MEM, ST) => {
                let value = i64::from(code.imm) as u64;
                self.memory.store(at, size, value).ok_or_else(|| outside(self))?;
            }
            (MEM, STX) => {
                let value = registers[code.src];
                self.memory.store(at, size, value).ok_or_else(|| outside(self))?;
            }
            (ATOMIC, STX) => {
                let old = self.memory.load(at, size).ok_or_else(|| outside(self))?;
                let operand = registers[code.src];
                let new = match code.imm & 0xf0 {
                    0x00 => old.wrapping_add(operand),
                    0x40 => old | operand,
                    0x50 => old & operand,
                    0xa0 => old ^ operand,
                    0xe0 => operand,
                    0xf0 if old == registers[0] => operand,
                    0xf0 => old,
                    _ => return Err(self.fault("unknown atomic operation")),
                };
                self.memory.store(at, size, new).ok_or_else(|| outside(self))?;
                if code.imm & 0xf0 == 0xf0 {
                    registers[0] = old;
                } else if code.imm & 1 != 0 {
                    registers[code.src] = old;
                }
            }
            _ => return Err(self.fault("unknown access")),
        }
        Ok(())
    }
}
