//! The stack of a pickle, with its marks.

use super::{Fault, Node, OBJECT_BYTES, Object, Value, Walker, fault};

/// The most values at once on the stack; picklers put at most 1,000 there, but for the elements of a tuple.
const STACK_MAX: usize = 1_000_000;

impl Walker<'_> {
    pub(super) fn push(&mut self, value: Value) -> Result<(), Fault> {
        self.stack.push(value);
        at_most("values on the stack", self.stack.len(), STACK_MAX)
    }

    pub(super) fn mark(&mut self) -> Result<(), Fault> {
        self.marks.push(self.stack.len());
        at_most("marks on the stack", self.marks.len(), STACK_MAX)
    }

    /// How many values can't be taken, because they are below a mark.
    pub(super) fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    pub(super) fn top(&self) -> Result<Value, Fault> {
        match self.stack[self.floor()..].last() {
            Some(value) => Ok(*value),
            None => fault("it needs a value where there is none"),
        }
    }

    pub(super) fn top_object(&mut self) -> Result<Option<&mut Object>, Fault> {
        let Value::Node(number) = self.top()? else {
            return Ok(None);
        };
        let object = match &mut self.nodes[number as usize] {
            Node::Object(object) => object,
            // What the rest of the pickle has of it by its name is another thing then.
            Node::Global(_) | Node::Persistent(_) => {
                return Err(Fault::Beyond(
                    "it changes what it imports, or what the program that loads it has".to_owned(),
                ));
            }
            Node::Text(_) | Node::Tuple(_) => return Ok(None),
        };
        if object.is_none() {
            self.memory += OBJECT_BYTES;
        }
        Ok(Some(object.get_or_insert_default()))
    }

    pub(super) fn pop(&mut self) -> Result<Value, Fault> {
        let top = self.top()?;
        self.check_taken(&[top])?;
        self.stack.pop();
        Ok(top)
    }

    pub(super) fn pops(&mut self, count: usize) -> Result<Vec<Value>, Fault> {
        match self.stack[self.floor()..].len().checked_sub(count) {
            Some(left) => {
                let values = self.stack.split_off(self.floor() + left);
                self.check_taken(&values)?;
                Ok(values)
            }
            None => fault(format!("it needs {count} values where there are fewer")),
        }
    }

    pub(super) fn pop_array<const N: usize>(&mut self) -> Result<[Value; N], Fault> {
        let values = self.pops(N)?;
        values.try_into().or_else(|_| fault("too few values"))
    }

    /// POP: takes a mark where there is no value above it.
    pub(super) fn pop_or_mark(&mut self) -> Result<(), Fault> {
        if self.stack.len() > self.floor() {
            return self.pop().map(drop);
        }
        self.pops_to_mark().map(drop)
    }

    pub(super) fn pops_to_mark(&mut self) -> Result<Vec<Value>, Fault> {
        match self.marks.pop() {
            Some(mark) => {
                let values = self.stack.split_off(mark);
                self.check_taken(&values)?;
                Ok(values)
            }
            None => fault("it goes back to a mark where there is none"),
        }
    }
}

fn at_most(what: &str, found: usize, max: usize) -> Result<(), Fault> {
    if found > max {
        return Err(Fault::Beyond(format!("more than {max} {what}")));
    }
    Ok(())
}
