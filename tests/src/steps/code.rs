//! The object's instructions, linked.

use std::collections::{HashMap, HashSet};

use aya_obj::{Map, Object};

use super::Error;

/// An instruction (RFC 9669 section 3).
#[derive(Clone, Copy, Debug)]
pub(super) struct Code {
    pub(super) op: u8,
    pub(super) dst: usize,
    pub(super) src: usize,
    pub(super) off: i16,
    pub(super) imm: i32,
}

/// Where in which program the machine is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) program: String,
    pub(super) at: usize,
}

/// A map as the object describes it.
#[derive(Clone, Debug)]
pub(super) struct Described {
    pub(super) name: String,
    pub(super) kind: u32,
    pub(super) key: usize,
    pub(super) value: usize,
    /// What is in it from the beginning: constants.
    pub(super) data: Vec<u8>,
}

/// What an object comes to.
pub(super) type Linked = (HashMap<String, Vec<Code>>, Vec<Described>);

/// The programs by their names, and the maps by the numbers that instructions have for them.
pub(super) fn read(object: &[u8], globals: &[(&str, u32)]) -> Result<Linked, Error> {
    let failed = |error: String| Error::Object(error);
    let mut object = Object::parse(object).map_err(|error| failed(error.to_string()))?;
    let bytes: Vec<(&str, [u8; 4])> =
        globals.iter().map(|(name, value)| (*name, value.to_ne_bytes())).collect();
    let values = bytes.iter().map(|(name, value)| (*name, (value.as_slice(), true))).collect();
    object.patch_map_data(values).map_err(|error| failed(error.to_string()))?;
    let mut maps: Vec<(String, Map)> = object.maps.drain().collect();
    maps.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let sections: HashSet<usize> = object.functions.keys().map(|(section, _)| *section).collect();
    let numbered = maps.iter().zip(0..).map(|((name, map), number)| (name.as_str(), number, map));
    object.relocate_maps(numbered, &sections).map_err(|error| failed(format!("{error:?}")))?;
    object.relocate_calls(&sections).map_err(|error| failed(format!("{error:?}")))?;
    let programs = object.programs.iter().map(|(name, program)| {
        let function = &object.functions[&program.function_key()];
        let code = function.instructions.iter().map(|insn| Code {
            op: insn.code,
            dst: insn.dst_reg().into(),
            src: insn.src_reg().into(),
            off: insn.off,
            imm: insn.imm,
        });
        (name.clone(), code.collect())
    });
    let described = maps.iter().map(|(name, map)| Described {
        name: name.clone(),
        kind: map.map_type(),
        key: map.key_size() as usize,
        value: map.value_size() as usize,
        data: map.data().to_vec(),
    });
    Ok((programs.collect(), described.collect()))
}
