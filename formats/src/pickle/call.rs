//! How pickles call what they import, and have it take a state.

use super::{Fault, ITEM_BYTES, Node, OBJECT_BYTES, Object, Value, Walker, Wanted, fault, text};

impl Walker<'_> {
    /// REDUCE, BUILD, OBJ, NEWOBJ, `NEWOBJ_EX`, PERSID, BINPERSID.
    pub(super) fn call(&mut self, operation: u8) -> Result<(), Fault> {
        self.has_called |= !matches!(operation, b'P' | b'Q') && !self.imports.is_empty();
        match operation {
            b'R' | 0x81 => {
                let [class, arguments] = self.pop_array()?;
                self.push_call(class, arguments)
            }
            0x92 => {
                let [class, arguments, named] = self.pop_array()?;
                self.make(class, vec![arguments, named])
            }
            b'o' => {
                let mut items = self.pops_to_mark()?;
                if items.is_empty() {
                    return fault("an object without a class");
                }
                let class = items.remove(0);
                self.make(class, items)
            }
            b'b' => {
                let state = self.pop()?;
                if let Some(object) = self.top_object()? {
                    object.states.push(state);
                    self.charge(ITEM_BYTES)?;
                    self.check_dtype_told()?;
                }
                if self.wanted == Wanted::ImportsBetweenArrays {
                    self.pass_array()?;
                }
                Ok(())
            }
            b'P' => {
                text::line(&mut self.reader, 0)?;
                let found = self.node(Node::Persistent(Value::Opaque))?;
                self.push(found)
            }
            _ => {
                let id = self.pop()?;
                let found = self.node(Node::Persistent(id))?;
                self.push(found)
            }
        }
    }

    pub(super) fn make(&mut self, class: Value, items: Vec<Value>) -> Result<(), Fault> {
        let arguments = self.tuple_node(items)?;
        self.push_call(class, arguments)
    }

    fn push_call(&mut self, class: Value, arguments: Value) -> Result<(), Fault> {
        if self.wanted == Wanted::Imports {
            return self.push(Value::Opaque);
        }
        let is_wrapper = self.wanted == Wanted::ImportsBetweenArrays
            && self.is_call_of_wrapper(class, arguments)?;
        self.charge(OBJECT_BYTES)?;
        let object = Object {
            call: Some((class, arguments)),
            ..Object::default()
        };
        self.push_object(Some(object.into()))?;
        if is_wrapper {
            self.wrapper = Some(self.top()?);
        }
        Ok(())
    }
}
