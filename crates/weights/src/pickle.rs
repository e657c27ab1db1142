//! A reader of Python pickles that executes nothing.
//!
//! `PyTorch` checkpoints are pickles. Objects live in an arena and refer to one another by index, so
//! a hostile file can neither copy them exponentially nor nest them deeper than the stack. Texts are
//! borrowed from the file, every length is checked against the bytes that are there, and all else is
//! paid for from a [`Budget`]. Calls stay data: nothing is ever run.

use std::collections::HashMap;

use crate::budget::Budget;

/// Index of an object in its [`Pickle`].
pub(crate) type Id = u32;

/// One Python object.
#[derive(Debug)]
pub(crate) enum Object<'a> {
    Int(i64),
    Text(&'a str),
    /// A tuple, list or set.
    Sequence(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A function or class, by its place among [`Pickle::globals`].
    Global(u32),
    /// `callable(*args)`, not called.
    Call {
        callable: Id,
        args: Id,
    },
    /// An object that lives outside the pickle (a storage), by its identifier.
    Persistent(Id),
    /// None, booleans, floats, bytes: nothing a state dict is read from.
    Other,
}

/// A function or class: its module and its name there.
pub(crate) type Global<'a> = (&'a str, &'a str);

/// All objects of one pickle, and which of them is the result.
#[derive(Debug)]
pub(crate) struct Pickle<'a> {
    objects: Vec<Object<'a>>,
    globals: Vec<Global<'a>>,
    root: Id,
    /// Bytes read, up to and with the STOP opcode.
    pub(crate) n_bytes: usize,
}

impl<'a> Pickle<'a> {
    /// Reads one pickle from the start of `bytes`.
    pub(crate) fn parse(bytes: &'a [u8], budget: &mut Budget) -> Result<Self, String> {
        let mut machine = Machine {
            bytes,
            at: 0,
            objects: Vec::new(),
            globals: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            budget,
        };
        while !machine.step()? {}
        let root = machine.pop()?;
        let Machine { objects, globals, at, .. } = machine;
        Ok(Self { objects, globals, root, n_bytes: at })
    }

    pub(crate) fn root(&self) -> Id {
        self.root
    }

    pub(crate) fn ids(&self) -> std::ops::Range<Id> {
        0..self.objects.len() as Id
    }

    pub(crate) fn get(&self, id: Id) -> &Object<'a> {
        &self.objects[id as usize]
    }

    pub(crate) fn text(&self, id: Id) -> Option<&'a str> {
        if let Object::Text(text) = self.get(id) { Some(text) } else { None }
    }

    pub(crate) fn int(&self, id: Id) -> Option<i64> {
        if let Object::Int(value) = self.get(id) { Some(*value) } else { None }
    }

    pub(crate) fn sequence(&self, id: Id) -> Option<&[Id]> {
        if let Object::Sequence(items) = self.get(id) { Some(items) } else { None }
    }

    pub(crate) fn global(&self, id: Id) -> Option<Global<'a>> {
        if let Object::Global(at) = self.get(id) { Some(self.globals[*at as usize]) } else { None }
    }

    /// The first function or class that Python would call on opening this file although a state
    /// dict needs nothing of the kind.
    pub(crate) fn foreign_call(&self) -> Option<Global<'a>> {
        self.objects.iter().find_map(|object| match object {
            Object::Call { callable, .. } => {
                Some(self.global(*callable).unwrap_or(("", "an object that it made")))
                    .filter(|global| !is_known(*global))
            }
            _ => None,
        })
    }
}

/// What `torch.load(weights_only=True)` may call, and the plain records that training scripts keep
/// beside weights.
fn is_known((module, name): Global<'_>) -> bool {
    match module {
        "collections" => ["OrderedDict", "defaultdict", "Counter"].contains(&name),
        "torch._utils" => [
            "_rebuild_tensor",
            "_rebuild_tensor_v2",
            "_rebuild_tensor_v3",
            "_rebuild_parameter",
            "_rebuild_parameter_with_state",
            "_rebuild_qtensor",
            "_rebuild_sparse_tensor",
            "_rebuild_sparse_csr_tensor",
            "_rebuild_meta_tensor_no_storage",
            "_rebuild_nested_tensor",
            "_rebuild_wrapper_subclass",
            "_rebuild_device_tensor_from_numpy",
            "_rebuild_device_tensor_from_cpu_tensor",
        ]
        .contains(&name),
        "torch._tensor" => name == "_rebuild_from_type_v2",
        "torch.serialization" => name == "_get_layout",
        "torch" => ["Size", "device", "dtype"].contains(&name),
        "builtins" | "__builtin__" => {
            ["set", "frozenset", "bytearray", "complex", "slice"].contains(&name)
        }
        "_codecs" => name == "encode",
        "numpy.core.multiarray" | "numpy._core.multiarray" => {
            ["scalar", "_reconstruct"].contains(&name)
        }
        "numpy" => name == "dtype",
        "argparse" => name == "Namespace",
        _ => false,
    }
}

/// The pickle machine: a stack, marks on it, and a memo.
struct Machine<'a, 'b> {
    bytes: &'a [u8],
    at: usize,
    objects: Vec<Object<'a>>,
    globals: Vec<Global<'a>>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    budget: &'b mut Budget,
}

/// Vectors double: while they move they take three times what they hold.
const GROWTH: usize = 3;

impl<'a> Machine<'a, '_> {
    /// Executes one opcode; true after STOP.
    fn step(&mut self) -> Result<bool, String> {
        let opcode = self.byte()?;
        match opcode {
            b'.' => return Ok(true),
            0x80 => self.skip(1)?,
            0x95 => self.skip(8)?,
            b'(' => {
                self.budget.take(GROWTH * size_of::<usize>())?;
                self.marks.push(self.stack.len());
            }
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_to_mark()?),
            b'2' => {
                let top = self.top()?;
                self.place(top)?;
            }
            b'q' | b'r' | 0x94 | b'h' | b'j' => self.memo_step(opcode)?,
            b'N' | 0x88 | 0x89 | b'K' | b'M' | b'J' | 0x8a | 0x8b | b'G' => {
                self.scalar_step(opcode)?;
            }
            b'X' | 0x8c | 0x8d | b'U' | b'T' | b'C' | b'B' | 0x8e => self.text_step(opcode)?,
            b'c' | 0x93 | b'R' | 0x81 | 0x92 | b'b' | b'Q' => self.call_step(opcode)?,
            _ => self.container_step(opcode)?,
        }
        Ok(false)
    }

    fn memo_step(&mut self, opcode: u8) -> Result<(), String> {
        let key = match opcode {
            b'q' | b'h' => u32::from(self.byte()?),
            b'r' | b'j' => self.length(4)? as u32,
            _ => self.memo.len() as u32,
        };
        if matches!(opcode, b'h' | b'j') {
            let id = *self.memo.get(&key).ok_or("it refers to an object it never stored")?;
            self.place(id)
        } else {
            // A table of 8 bytes and a tag each, at least half full.
            self.budget.take(GROWTH * 12)?;
            self.memo.insert(key, self.top()?);
            Ok(())
        }
    }

    fn scalar_step(&mut self, opcode: u8) -> Result<(), String> {
        let object = match opcode {
            b'K' => Object::Int(i64::from(self.byte()?)),
            b'M' => Object::Int(self.length(2)? as i64),
            b'J' => Object::Int(i64::from(self.length(4)? as u32 as i32)),
            0x8a | 0x8b => {
                let n_bytes = if opcode == 0x8a { self.byte()? as usize } else { self.length(4)? };
                long(self.take(n_bytes)?)
            }
            b'G' => {
                self.skip(8)?;
                Object::Other
            }
            _ => Object::Other,
        };
        self.push(object)
    }

    fn text_step(&mut self, opcode: u8) -> Result<(), String> {
        let n_bytes = match opcode {
            0x8c | b'U' | b'C' => self.byte()? as usize,
            0x8d | 0x8e => self.length(8)?,
            _ => self.length(4)?,
        };
        let bytes = self.take(n_bytes)?;
        let text = std::str::from_utf8(bytes).ok();
        self.push(match (opcode, text) {
            (b'C' | b'B' | 0x8e, _) | (_, None) => Object::Other,
            (_, Some(text)) => Object::Text(text),
        })
    }

    fn call_step(&mut self, opcode: u8) -> Result<(), String> {
        match opcode {
            b'c' => {
                let global = (self.line()?, self.line()?);
                self.push_global(global)
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let text = |id: Id| match &self.objects[id as usize] {
                    Object::Text(text) => Ok(*text),
                    _ => Err("a global without a name"),
                };
                let global = (text(module)?, text(name)?);
                self.push_global(global)
            }
            b'Q' => {
                let id = self.pop()?;
                self.push(Object::Persistent(id))
            }
            // BUILD sets attributes of the object below it; a state dict needs none of them.
            b'b' => self.pop().map(drop),
            _ => {
                if opcode == 0x92 {
                    self.pop()?; // keyword arguments
                }
                let (args, callable) = (self.pop()?, self.pop()?);
                let object = if self.is_dict(callable) {
                    Object::Dict(self.pairs_in(args)?)
                } else {
                    Object::Call { callable, args }
                };
                self.push(object)
            }
        }
    }

    fn is_dict(&self, callable: Id) -> bool {
        let Object::Global(at) = self.objects[callable as usize] else { return false };
        let global = self.globals[at as usize];
        matches!(global, ("collections", "OrderedDict" | "defaultdict"))
    }

    /// Python 2 makes an `OrderedDict` of a list of pairs.
    fn pairs_in(&mut self, args: Id) -> Result<Vec<(Id, Id)>, String> {
        let items = |id: Id| match &self.objects[id as usize] {
            Object::Sequence(items) => items.as_slice(),
            _ => &[],
        };
        let [list] = items(args) else { return Ok(Vec::new()) };
        let pairs = items(*list);
        self.budget.take(GROWTH * size_of::<(Id, Id)>() * pairs.len())?;
        let pair = |&id: &Id| items(id).try_into().ok().map(|[key, value]: [Id; 2]| (key, value));
        Ok(pairs.iter().filter_map(pair).collect())
    }

    fn container_step(&mut self, opcode: u8) -> Result<(), String> {
        match opcode {
            b')' | b']' | 0x8f => self.push(Object::Sequence(Vec::new())),
            0x85..=0x87 => {
                let n_items = (opcode - 0x84) as usize;
                let floor = self.marks.last().copied().unwrap_or(0);
                let from = self.stack.len().checked_sub(n_items).filter(|&from| from >= floor);
                let items = self.stack.split_off(from.ok_or("its stack is empty")?);
                self.push_sequence(items)
            }
            b't' | b'l' | 0x91 => {
                let items = self.pop_to_mark()?;
                self.push_sequence(items)
            }
            b'a' => {
                let item = self.pop()?;
                self.extend_sequence(&[item])
            }
            b'e' | 0x90 => {
                let items = self.pop_to_mark()?;
                self.extend_sequence(&items)
            }
            b'}' => self.push(Object::Dict(Vec::new())),
            b'd' => {
                let items = self.pop_to_mark()?;
                self.push(Object::Dict(Vec::new()))?;
                self.extend_dict(&items)
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.extend_dict(&[key, value])
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.extend_dict(&items)
            }
            _ => Err(format!("opcode {opcode:#04x} at byte {} is not supported", self.at - 1)),
        }
    }

    fn push_global(&mut self, global: Global<'a>) -> Result<(), String> {
        self.budget.take(GROWTH * size_of::<Global<'_>>())?;
        self.globals.push(global);
        self.push(Object::Global(self.globals.len() as u32 - 1))
    }

    fn push_sequence(&mut self, items: Vec<Id>) -> Result<(), String> {
        self.budget.take(items.len() * size_of::<Id>())?;
        self.push(Object::Sequence(items))
    }

    fn extend_sequence(&mut self, items: &[Id]) -> Result<(), String> {
        self.budget.take(GROWTH * size_of_val(items))?;
        let target = self.top()?;
        if let Object::Sequence(sequence) = &mut self.objects[target as usize] {
            sequence.extend_from_slice(items);
        }
        Ok(())
    }

    fn extend_dict(&mut self, items: &[Id]) -> Result<(), String> {
        self.budget.take(GROWTH * size_of_val(items))?;
        let target = self.top()?;
        if let Object::Dict(dict) = &mut self.objects[target as usize] {
            dict.extend(items.as_chunks::<2>().0.iter().map(|&[key, value]| (key, value)));
        }
        Ok(())
    }

    fn push(&mut self, object: Object<'a>) -> Result<(), String> {
        self.budget.take(GROWTH * size_of::<Object<'_>>())?;
        let id = Id::try_from(self.objects.len()).map_err(|_| "it holds too many objects")?;
        self.objects.push(object);
        self.place(id)
    }

    /// Puts an object on the stack.
    fn place(&mut self, id: Id) -> Result<(), String> {
        self.budget.take(GROWTH * size_of::<Id>())?;
        self.stack.push(id);
        Ok(())
    }

    fn pop(&mut self) -> Result<Id, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err("its stack is empty".into());
        }
        self.stack.pop().ok_or_else(|| "its stack is empty".into())
    }

    fn top(&self) -> Result<Id, String> {
        self.stack.last().copied().ok_or_else(|| "its stack is empty".into())
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().ok_or("a mark is missing")?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.take(1)?[0])
    }

    fn skip(&mut self, n_bytes: usize) -> Result<(), String> {
        self.take(n_bytes).map(drop)
    }

    /// A little-endian unsigned integer of up to 8 bytes.
    fn length(&mut self, n_bytes: usize) -> Result<usize, String> {
        let value = self.take(n_bytes)?.iter().rev().fold(0u64, |sum, &b| sum << 8 | u64::from(b));
        usize::try_from(value).map_err(|_| "a length is too large".into())
    }

    /// Names are short: a line that does not end soon is none.
    fn line(&mut self) -> Result<&'a str, String> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().take(1000).position(|&b| b == b'\n').ok_or("a name does not end")?;
        self.at += end + 1;
        let line = std::str::from_utf8(&rest[..end]).map_err(|_| "a name is not UTF-8")?;
        Ok(line.trim_end_matches('\r'))
    }

    fn take(&mut self, n_bytes: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(n_bytes).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or_else(|| format!("it ends early, at byte {}", self.bytes.len()))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }
}

/// A signed little-endian integer; larger ones than 64 bits are nothing a tensor needs.
fn long<'a>(bytes: &[u8]) -> Object<'a> {
    if bytes.len() > 8 {
        return Object::Other;
    }
    let negative = bytes.last().is_some_and(|&b| b >= 0x80);
    let mut wide = [if negative { 0xff } else { 0 }; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    Object::Int(i64::from_le_bytes(wide))
}
