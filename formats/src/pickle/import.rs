//! How pickles import.

use crate::imports::COMPUTED;
use crate::source::{Reader, read};
use crate::tensor::NAME_BYTES_MAX;

use super::{ARGUMENT, Fault, IMPORTS_MAX, Node, PIECE_BYTES, Value, Walker, fault, text};

/// How much is read again of the texts that name imports, where only imports are looked for: each may be named by texts
/// that were remembered, any number of times.
const NAMES_BYTES_MAX: u64 = 64 << 20;

/// How much of such a text is read: mostly, and always. A text as long as those that are kept may take four times as much
/// where it is written with escapes.
const NAME_READS: [u64; 2] = [96, 4 * text::TEXT_BYTES_MAX];

impl Walker<'_> {
    /// GLOBAL, INST, EXT1 to 4, `STACK_GLOBAL`.
    pub(super) fn import(&mut self, operation: u8) -> Result<(), Fault> {
        let mut is_cut = false;
        let name = match operation {
            0x93 => {
                let [module, name] = self.pop_array()?;
                let (module, name) = (self.part(module)?, self.part(name)?);
                format!("{module}.{name}")
            }
            b'c' | b'i' => {
                let (module, is_module_cut) = self.name()?;
                let (name, is_name_cut) = self.name()?;
                is_cut = is_module_cut || is_name_cut;
                format!("{module}.{name}")
            }
            // Of which module, only the program that loads it knows.
            0x82 => format!("(extension).{}", self.u8()?),
            0x83 => format!(
                "(extension).{}",
                u16::from_le_bytes(self.reader.array(ARGUMENT)?)
            ),
            _ => format!(
                "(extension).{}",
                i32::from_le_bytes(self.reader.array(ARGUMENT)?)
            ),
        };
        if !self.imports.contains(&name) {
            if self.imports.len() >= IMPORTS_MAX {
                return Err(Fault::Beyond(format!("more than {IMPORTS_MAX} imports")));
            }
            self.imports.insert(name.clone());
        }
        if is_cut {
            return Err(text::end(&self.reader).into());
        }
        self.charge(name.len() + PIECE_BYTES)?;
        let global = self.node(Node::Global(name.into()))?;
        if operation != b'i' {
            return self.push(global);
        }
        self.has_called = true;
        let items = self.pops_to_mark()?;
        self.make(global, items)
    }

    /// A part of a name, as it is given for an import.
    fn part(&mut self, value: Value) -> Result<String, Fault> {
        let known = match value {
            Value::Node(number) => match &self.nodes[number as usize] {
                Node::Text(text) => Some(text.to_string()),
                _ => None,
            },
            Value::Place(at) => self.text_again(at)?,
            _ => None,
        };
        Ok(known.unwrap_or_else(|| COMPUTED.to_owned()))
    }

    /// The text whose operation is at this byte, which was read over before.
    fn text_again(&mut self, at: u64) -> Result<Option<String>, Fault> {
        for max in NAME_READS {
            let length = (self.source.bytes() - at).min(max);
            self.names_bytes += length;
            if self.names_bytes > NAMES_BYTES_MAX {
                let max = NAMES_BYTES_MAX >> 20;
                return Err(Fault::Beyond(format!(
                    "the names of what it imports take more than {max} MiB to read"
                )));
            }
            let bytes = read(self.source, at, length, ARGUMENT)?;
            let bytes = bytes.as_slice();
            let mut reader = Reader::new(&bytes);
            let [operation] = reader.array(ARGUMENT)?;
            match text::text(&mut reader, operation) {
                Err(Fault::Source(_)) if max < NAME_READS[1] => {}
                found => return found,
            }
        }
        Ok(None)
    }

    /// A line with the name of a module, or one in it, and whether the file ends with it: then Python takes all but the
    /// last byte of it for the name, and imports.
    fn name(&mut self) -> Result<(String, bool), Fault> {
        let mut line = self.reader.line(NAME_BYTES_MAX, ARGUMENT)?;
        if line.is_long {
            let name = String::from_utf8_lossy(&line.bytes);
            return Ok((format!("{name}…"), !line.has_end));
        }
        if !line.has_end {
            line.bytes.pop();
        }
        match String::from_utf8(line.bytes) {
            Ok(name) => Ok((name, !line.has_end)),
            Err(_) => fault("an import by a name that is not UTF-8"),
        }
    }
}
