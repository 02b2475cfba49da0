//! How deep the calls of the compiled programs go.
//!
//! The verifier says how much of the stack each function of a program takes, but neither its name nor whom it
//! calls. The object has the calls, callbacks of loops included; what a function takes is the lowest byte below
//! its frame pointer that an instruction names.

use std::collections::{BTreeMap, HashMap};

use object::elf::{R_BPF_64_32, R_BPF_64_64};
use object::read::elf::ElfFile64;
use object::{
    Object as _, ObjectSection as _, ObjectSymbol as _, Relocation, RelocationFlags,
    RelocationTarget, SectionIndex, SymbolKind,
};

/// Operations of the BPF instruction set (RFC 9669, section 4).
const CALL: u8 = 0x85;
const MOVE: u8 = 0xbf;
const ADD_IMMEDIATE: u8 = 0x07;
/// The source register of a call that is none of a helper: one of a function, by its distance.
const OF_FUNCTION: u8 = 1;
const FRAME_POINTER: u8 = 10;
const BYTES: u64 = 8;

/// Where a function begins.
type Place = (SectionIndex, u64);

/// A function: what it takes of the stack, and whom it calls.
#[derive(Debug, Default)]
struct Function {
    name: String,
    depth: u32,
    calls: Vec<Place>,
}

/// What a program takes of the stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Bytes of its deepest chain of calls, as the kernel adds them up (`check_max_stack_depth`,
    /// kernel/bpf/verifier.c): each function takes a multiple of 32, and 32 at least. That is before Linux 6.8 (16 since, where
    /// programs are compiled).
    pub bytes: u32,
    /// What the functions of that chain take, from the program on.
    pub frames: Vec<u32>,
}

/// The deepest chain of each program of an object, by the program's name.
///
/// # Panics
/// When the object is none that the BPF linker makes.
#[must_use]
pub fn deepest(object: &[u8]) -> BTreeMap<String, Chain> {
    let functions = functions(&ElfFile64::parse(object).expect("an ELF file"));
    let programs = functions.values().filter(|function| function.name.starts_with("qlb_"));
    programs.map(|program| (program.name.clone(), chain(&functions, program))).collect()
}

fn functions(object: &ElfFile64<'_>) -> HashMap<Place, Function> {
    let mut functions = HashMap::new();
    for symbol in object.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text) {
        let Some(index) = symbol.section_index() else { continue };
        let section = object.section_by_index(index).expect("the symbol's section");
        let (start, end) = (symbol.address(), symbol.address() + symbol.size());
        let code = &section.data().expect("code")[start as usize..end as usize];
        let name = symbol.name().unwrap_or_default().to_owned();
        let mut function = Function { name, depth: depth(code), calls: Vec::new() };
        let relocations: BTreeMap<u64, Relocation> =
            section.relocations().filter(|(at, _)| (start..end).contains(at)).collect();
        let near = calls(code, start).filter(|(at, _)| !relocations.contains_key(at));
        function.calls.extend(near.map(|(_, target)| (index, target)));
        for (at, relocation) in &relocations {
            let RelocationTarget::Symbol(target) = relocation.target() else { continue };
            let target = object.symbol_by_index(target).expect("the target's symbol");
            let Some(of) = target.section_index() else { continue };
            // What is added to the symbol's address is where the linker has left it.
            let addend = i64::from(immediate(&code[(*at - start) as usize..]));
            let RelocationFlags::Elf { r_type } = relocation.flags() else { continue };
            let offset = match r_type {
                R_BPF_64_32 => (addend + 1) * BYTES as i64,
                R_BPF_64_64 => addend,
                _ => continue,
            };
            let offset = if target.kind() == SymbolKind::Text { 0 } else { offset };
            function.calls.push((of, target.address().wrapping_add_signed(offset)));
        }
        functions.insert((index, start), function);
    }
    functions
}

fn immediate(instruction: &[u8]) -> i32 {
    i32::from_le_bytes(instruction[4..8].try_into().expect("an instruction"))
}

/// Calls of functions: where they are, and where the functions begin, unless a relocation says otherwise.
fn calls(code: &[u8], start: u64) -> impl Iterator<Item = (u64, u64)> {
    let instructions = (start..).step_by(BYTES as usize).zip(code.chunks(BYTES as usize));
    instructions.filter_map(|(at, instruction)| {
        let is_call = instruction[0] == CALL && instruction[1] >> 4 == OF_FUNCTION;
        let distance = (i64::from(immediate(instruction)) + 1) * BYTES as i64;
        is_call.then_some((at, at.wrapping_add_signed(distance)))
    })
}

/// The lowest byte below the frame pointer that an instruction names, in words of eight bytes as the verifier
/// counts it.
fn depth(code: &[u8]) -> u32 {
    let mut deepest = 0;
    // Registers that point into the frame, and where.
    let mut pointers = [None; 16];
    pointers[usize::from(FRAME_POINTER)] = Some(0);
    for instruction in code.chunks(BYTES as usize) {
        let (operation, registers) = (instruction[0], instruction[1]);
        let (to, from) = (registers & 0xf, registers >> 4);
        let offset = i64::from(i16::from_le_bytes([instruction[2], instruction[3]]));
        // Loads, stores of immediates, stores of registers; the class is in the lowest three bits.
        let at = match operation & 7 {
            1 if from == FRAME_POINTER => offset,
            2 | 3 if to == FRAME_POINTER => offset,
            _ if operation == ADD_IMMEDIATE => {
                let to = &mut pointers[usize::from(to)];
                *to = to.map(|at| at + i64::from(immediate(instruction)));
                to.unwrap_or(0)
            }
            _ => 0,
        };
        deepest = deepest.max(-at);
        match operation {
            MOVE => pointers[usize::from(to)] = pointers[usize::from(from)],
            // What the rest writes points elsewhere.
            _ if matches!(operation & 7, 0 | 1 | 4 | 7) && operation != ADD_IMMEDIATE => {
                pointers[usize::from(to)] = None;
            }
            CALL => pointers[..6].fill(None),
            _ => {}
        }
    }
    (deepest as u32).next_multiple_of(BYTES as u32)
}

/// What a function takes of the stack that calls others.
const fn rounded(depth: u32) -> u32 {
    if depth == 0 { 32 } else { depth.next_multiple_of(32) }
}

fn chain(functions: &HashMap<Place, Function>, function: &Function) -> Chain {
    let called = function.calls.iter().filter_map(|place| functions.get(place));
    let below = called.map(|called| chain(functions, called)).max_by_key(|chain| chain.bytes);
    let (bytes, frames) = below.map_or((0, Vec::new()), |below| (below.bytes, below.frames));
    Chain {
        bytes: rounded(function.depth) + bytes,
        frames: std::iter::once(function.depth).chain(frames).collect(),
    }
}
