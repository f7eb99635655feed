//! ONNX: a graph of operators as a protobuf message, with the tensors in it, or in other files beside it.
//!
//! ```text
//! ModelProto ┬ graph ────────────────┬ initializer, sparse_initializer ─────────► TensorProto: name, dims, data_type and
//!            ├ training_info ─ graph ┤                                                ├ raw_data: bytes of this file
//!            └ functions ────────────┴ node ─ attribute ┬ tensors, sparse tensors     ├ external_data: bytes of another
//!                                           ▲           └ graphs (then as above)      └ float_data, int64_data, …
//!                                           └────────────────┘
//! ```
//!
//! Names: a tensor of `graph.initializer` has its own name. The others are called by the way to them, with ` > ` between
//! its steps: a node is its first output (in a valid model, no two nodes of a graph have one in common), then comes the
//! name of the attribute, then the place in it if it is a list. So the tensor of the node `Constant` that gives `y` is
//! `y > value`, and `w` in a branch of the node `If` that gives `z` is `z > then_branch > w`. The two tensors of a sparse
//! one are `NAME > values` and `NAME > indices`; functions and training begin with `function DOMAIN::NAME` and
//! `training N`.
//!
//! Always: each `TensorProto` of a file is a tensor or unlisted; what has no place that is known here (a field that the
//! schema does not have) is refused. Data is passed over. Numbers in attributes (`floats`, `ints`, as the `coefficients`
//! of a linear classifier) are part of the operators, and no tensors. Other files are named, and not opened: their paths
//! are plain ones from the folder of this one. Two tensors may be the same bytes of another file, as tied weights are,
//! but not overlap otherwise.
//!
//! See <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3> and
//! <https://github.com/onnx/onnx/blob/main/docs/ExternalData.md>.

mod entry;
mod wire;

#[cfg(test)]
mod tests;

use crate::format::{at_most, check_count, check_name};
use crate::source::Source;
use crate::tensor::{Contents, NAME_BYTES_MAX, Tensor, Unlisted};
use crate::{Format, FormatError};

use entry::{Entry, Place};
use wire::{Field, Message, Schema, Wire};

/// The most bytes that all names and locations may have: a name may be of a tensor of ten bytes, by the way to it.
const TEXT_BYTES_MAX: usize = 256 << 20;

/// What is between the steps of the way to a tensor.
const STEP: &str = " > ";

const MODEL: Schema = Schema {
    what: "the model",
    once: &[1, 2, 3, 4, 5, 6, 7],
    repeated: &[8, 14, 20, 25, 26],
};
const GRAPH: Schema = Schema {
    what: "a graph",
    once: &[2, 10],
    repeated: &[1, 5, 11, 12, 13, 14, 15, 16],
};
const NODE: Schema = Schema {
    what: "a node",
    once: &[3, 4, 6, 7, 8],
    repeated: &[1, 2, 5, 9, 10],
};
const ATTRIBUTE: Schema = Schema {
    what: "an attribute",
    once: &[1, 2, 3, 4, 5, 6, 13, 14, 20, 21, 22],
    repeated: &[7, 8, 9, 10, 11, 15, 23],
};
const SPARSE: Schema = Schema {
    what: "a sparse tensor",
    once: &[1, 2],
    repeated: &[3],
};
const FUNCTION: Schema = Schema {
    what: "a function",
    once: &[1, 8, 10, 13],
    repeated: &[4, 5, 6, 7, 9, 11, 12, 14],
};
const TRAINING: Schema = Schema {
    what: "a training",
    once: &[1, 2],
    repeated: &[3, 4],
};

/// A step of the way to a tensor, and those before it.
struct Step<'s> {
    before: Option<&'s Step<'s>>,
    name: String,
}

/// What was found so far.
struct Walk<'a> {
    wire: Wire<'a>,
    tensors: Vec<Tensor>,
    unlisted: Vec<Unlisted>,
    text_bytes: u64,
}

pub(crate) fn read(source: &dyn Source) -> Result<Contents, FormatError> {
    let mut walk = Walk {
        wire: Wire::new(source),
        tensors: Vec::new(),
        unlisted: Vec::new(),
        text_bytes: 0,
    };
    walk.model()?;
    Contents::new(Format::Onnx, walk.tensors)?.with_unlisted(walk.unlisted)
}

impl Step<'_> {
    /// The name of what is there by this way.
    fn name(way: Option<&Self>, name: &str) -> String {
        let mut steps = vec![name];
        let mut step = way;
        while let Some(Step { before, name }) = step {
            steps.push(name);
            step = *before;
        }
        steps.reverse();
        steps.join(STEP)
    }
}

impl Walk<'_> {
    fn model(&mut self) -> Result<(), FormatError> {
        let mut model = self.wire.file(&MODEL);
        let mut has_graph = false;
        let mut trainings = 0;
        while let Some(field) = self.wire.next(&mut model)? {
            match field.number {
                7 => {
                    self.graph(field.message(&GRAPH)?, None)?;
                    has_graph = true;
                }
                20 => {
                    self.training(field.message(&TRAINING)?, trainings)?;
                    trainings += 1;
                }
                25 => self.function(field.message(&FUNCTION)?)?,
                _ => {}
            }
        }
        // A file of no bytes is a model, to protobuf.
        if !has_graph {
            return Err(FormatError::Header("it has no graph".to_owned()));
        }
        Ok(())
    }

    fn graph(&mut self, mut graph: Message, way: Option<&Step<'_>>) -> Result<(), FormatError> {
        let mut nodes = 0;
        while let Some(field) = self.wire.next(&mut graph)? {
            match field.number {
                1 => {
                    self.node(field.message(&NODE)?, nodes, way)?;
                    nodes += 1;
                }
                5 => {
                    let entry = Entry::read(&mut self.wire, &field)?;
                    let name = own_name(&entry, &field)?;
                    self.add(Step::name(way, &name), entry)?;
                }
                15 => self.sparse(&field, way, None)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn training(&mut self, mut training: Message, index: usize) -> Result<(), FormatError> {
        let way = step(None, format!("training {index}"));
        while let Some(field) = self.wire.next(&mut training)? {
            let name = match field.number {
                1 => "initialization",
                2 => "algorithm",
                _ => continue,
            };
            let way = step(Some(&way), name.to_owned());
            self.graph(field.message(&GRAPH)?, Some(&way))?;
        }
        Ok(())
    }

    fn function(&mut self, mut function: Message) -> Result<(), FormatError> {
        let way = step(None, self.function_name(function.clone())?);
        let defaults = step(Some(&way), "attribute_proto".to_owned());
        let mut nodes = 0;
        while let Some(field) = self.wire.next(&mut function)? {
            match field.number {
                7 => {
                    self.node(field.message(&NODE)?, nodes, Some(&way))?;
                    nodes += 1;
                }
                11 => self.attribute(field.message(&ATTRIBUTE)?, &defaults)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// A function is known by its domain, its name, and what tells it from others with that name.
    fn function_name(&mut self, mut function: Message) -> Result<String, FormatError> {
        let (mut domain, mut name, mut overload) = (String::new(), String::new(), String::new());
        while let Some(field) = self.wire.next(&mut function)? {
            match field.number {
                1 => name = self.name(&field)?,
                10 => domain = self.name(&field)?,
                13 => overload = self.name(&field)?,
                _ => {}
            }
        }
        if !overload.is_empty() {
            overload.insert_str(0, "::");
        }
        Ok(format!("function {domain}::{name}{overload}"))
    }

    fn node(
        &mut self,
        mut node: Message,
        index: usize,
        way: Option<&Step<'_>>,
    ) -> Result<(), FormatError> {
        let name = match self.first_text(node.clone(), 2)? {
            Some(output) => output,
            None => format!("node {index}"),
        };
        let way = step(way, name);
        while let Some(field) = self.wire.next(&mut node)? {
            if field.number == 5 {
                self.attribute(field.message(&ATTRIBUTE)?, &way)?;
            }
        }
        Ok(())
    }

    fn attribute(&mut self, mut attribute: Message, way: &Step<'_>) -> Result<(), FormatError> {
        // Usually the first field, but any order is allowed.
        let Some(name) = self.first_text(attribute.clone(), 1)? else {
            return Err(attribute.wrong("has no name"));
        };
        let way = step(Some(way), name);
        let mut listed = 0..;
        while let Some(field) = self.wire.next(&mut attribute)? {
            // An attribute is one value or one list. One that has more gets a name for each of them, too.
            let mut place = || step(Some(&way), listed.next().unwrap_or(0_usize).to_string());
            match field.number {
                5 => self.nested(&field, &way)?,
                6 => self.graph(field.message(&GRAPH)?, Some(&way))?,
                10 => self.nested(&field, &place())?,
                11 => self.graph(field.message(&GRAPH)?, Some(&place()))?,
                22 => self.sparse(&field, None, Some(&way))?,
                23 => self.sparse(&field, None, Some(&place()))?,
                _ => {}
            }
        }
        Ok(())
    }

    /// A tensor that is called by the way to it, whatever name it has.
    fn nested(&mut self, field: &Field, way: &Step<'_>) -> Result<(), FormatError> {
        let entry = Entry::read(&mut self.wire, field)?;
        self.add(Step::name(way.before, &way.name), entry)
    }

    /// The two tensors of a sparse one: called by the way to it, or by the name of its values in a graph.
    fn sparse(
        &mut self,
        field: &Field,
        graph: Option<&Step<'_>>,
        way: Option<&Step<'_>>,
    ) -> Result<(), FormatError> {
        let mut message = field.message(&SPARSE)?;
        let (mut values, mut indices, mut rank) = (None, None, 0);
        while let Some(field) = self.wire.next(&mut message)? {
            match field.number {
                1 => values = Some(Entry::read(&mut self.wire, &field)?),
                2 => indices = Some(Entry::read(&mut self.wire, &field)?),
                _ => self.wire.numbers(&field, |_| {
                    rank += 1;
                    Ok(())
                })?,
            }
        }
        let (Some(values), Some(indices)) = (values, indices) else {
            return Err(field.wrong("has not both values and indices"));
        };
        if !indices.are_indices(&values, rank) {
            return Err(field.wrong(&format!(
                "has indices of type {} and shape {:?} for values of shape {:?} in {rank} dimensions",
                indices.dtype.unwrap_or(0),
                indices.shape,
                values.shape
            )));
        }
        let named;
        let way = if let Some(way) = way {
            way
        } else {
            named = step(graph, own_name(&values, field)?);
            &named
        };
        self.add(Step::name(Some(way), "values"), values)?;
        self.add(Step::name(Some(way), "indices"), indices)
    }

    /// The first text with this number that is not empty: of the outputs of a node, those that nobody uses may be.
    fn first_text(
        &mut self,
        mut message: Message,
        number: u32,
    ) -> Result<Option<String>, FormatError> {
        while let Some(field) = self.wire.next(&mut message)? {
            if field.number == number {
                let text = self.name(&field)?;
                if !text.is_empty() {
                    return Ok(Some(text));
                }
            }
        }
        Ok(None)
    }

    fn name(&mut self, field: &Field) -> Result<String, FormatError> {
        self.wire.text(field, "bytes in a name", NAME_BYTES_MAX)
    }

    /// Takes a tensor up, under this name.
    fn add(&mut self, name: String, entry: Entry) -> Result<(), FormatError> {
        check_count(self.tensors.len() as u64 + self.unlisted.len() as u64 + 1)?;
        check_name(&name)?;
        self.text_bytes += (name.len() + entry.location_bytes()) as u64;
        at_most("bytes in names", self.text_bytes, TEXT_BYTES_MAX)?;
        match entry.place(name)? {
            Place::Listed(tensor) => self.tensors.push(tensor),
            Place::Unlisted(tensor) => self.unlisted.push(tensor),
        }
        Ok(())
    }
}

fn step<'s>(before: Option<&'s Step<'s>>, name: String) -> Step<'s> {
    Step { before, name }
}

/// The name of an initializer, which has to have one.
fn own_name(entry: &Entry, field: &Field) -> Result<String, FormatError> {
    if entry.name.is_empty() {
        return Err(field.wrong("has no name"));
    }
    Ok(entry.name.clone())
}
