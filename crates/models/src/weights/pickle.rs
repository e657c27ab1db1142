//! A reader of Python pickles that executes nothing.
//!
//! `PyTorch` checkpoints are pickles. Objects live in an arena and refer to one another by index, so
//! a hostile file can neither copy them exponentially nor nest them deeper than the stack; every
//! length is checked against the bytes that are there. Calls stay data: nothing is ever run.

use std::collections::HashMap;

/// Index of an object in its [`Pickle`].
pub(super) type Id = usize;

/// No checkpoint of a classifier comes near so many objects.
const MAX_OBJECTS: usize = 4_000_000;

/// One Python object.
#[derive(Debug)]
pub(super) enum Object {
    Int(i64),
    Text(String),
    /// A tuple, list or set.
    Sequence(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A function or class by its dotted name.
    Global(String),
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

/// All objects of one pickle, and which of them is the result.
#[derive(Debug)]
pub(super) struct Pickle {
    objects: Vec<Object>,
    root: Id,
    /// Bytes read, up to and with the STOP opcode.
    pub(super) n_bytes: usize,
}

impl Pickle {
    /// Reads one pickle from the start of `bytes`.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut machine = Machine { bytes, ..Machine::default() };
        while !machine.step()? {}
        let root = machine.pop()?;
        Ok(Self { objects: machine.objects, root, n_bytes: machine.at })
    }

    pub(super) fn root(&self) -> Id {
        self.root
    }

    pub(super) fn n_objects(&self) -> usize {
        self.objects.len()
    }

    pub(super) fn get(&self, id: Id) -> &Object {
        &self.objects[id]
    }

    pub(super) fn text(&self, id: Id) -> Option<&str> {
        if let Object::Text(text) = self.get(id) { Some(text) } else { None }
    }

    pub(super) fn int(&self, id: Id) -> Option<i64> {
        if let Object::Int(value) = self.get(id) { Some(*value) } else { None }
    }

    pub(super) fn sequence(&self, id: Id) -> Option<&[Id]> {
        if let Object::Sequence(items) = self.get(id) { Some(items) } else { None }
    }

    pub(super) fn global(&self, id: Id) -> Option<&str> {
        if let Object::Global(name) = self.get(id) { Some(name) } else { None }
    }

    /// A function that Python would run on opening this file and that reaches out of it.
    pub(super) fn dangerous_call(&self) -> Option<&str> {
        self.objects.iter().find_map(|object| match object {
            Object::Call { callable, .. } => self.global(*callable).filter(|g| is_dangerous(g)),
            _ => None,
        })
    }
}

fn is_dangerous(global: &str) -> bool {
    const MODULES: [&str; 9] =
        ["os", "posix", "nt", "subprocess", "sys", "socket", "shutil", "runpy", "pty"];
    const BUILTINS: [&str; 5] = ["eval", "exec", "compile", "open", "__import__"];
    let (module, name) = global.rsplit_once('.').unwrap_or(("", global));
    let top = module.split('.').next().unwrap_or(module);
    MODULES.contains(&top)
        || (["builtins", "__builtin__"].contains(&top) && BUILTINS.contains(&name))
}

/// The pickle machine: a stack, marks on it, and a memo.
#[derive(Default)]
struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    objects: Vec<Object>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

impl Machine<'_> {
    /// Executes one opcode; true after STOP.
    fn step(&mut self) -> Result<bool, String> {
        let opcode = self.byte()?;
        match opcode {
            b'.' => return Ok(true),
            0x80 => self.skip(1)?,
            0x95 => self.skip(8)?,
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_to_mark()?),
            b'2' => self.stack.push(self.top()?),
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
            b'q' | b'h' => u64::from(self.byte()?),
            b'r' | b'j' => self.length(4)? as u64,
            _ => self.memo.len() as u64,
        };
        if matches!(opcode, b'h' | b'j') {
            let id = *self.memo.get(&key).ok_or("it refers to an object it never stored")?;
            self.stack.push(id);
        } else {
            self.memo.insert(key, self.top()?);
        }
        Ok(())
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
        let object = match opcode {
            b'C' | b'B' | 0x8e => Object::Other,
            _ => Object::Text(String::from_utf8_lossy(bytes).into_owned()),
        };
        self.push(object)
    }

    fn call_step(&mut self, opcode: u8) -> Result<(), String> {
        match opcode {
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Object::Global(format!("{module}.{name}")))
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let text = |id| match &self.objects[id] {
                    Object::Text(text) => Ok(text.as_str()),
                    _ => Err("a global without a name"),
                };
                let global = format!("{}.{}", text(module)?, text(name)?);
                self.push(Object::Global(global))
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
                let is_dict = matches!(&self.objects[callable], Object::Global(name)
                    if matches!(name.as_str(), "collections.OrderedDict" | "collections.defaultdict"));
                let call = Object::Call { callable, args };
                self.push(if is_dict { Object::Dict(Vec::new()) } else { call })
            }
        }
    }

    fn container_step(&mut self, opcode: u8) -> Result<(), String> {
        match opcode {
            b')' | b']' | 0x8f => self.push(Object::Sequence(Vec::new())),
            0x85..=0x87 => {
                let n_items = (opcode - 0x84) as usize;
                let from = self.stack.len().checked_sub(n_items).ok_or("its stack is empty")?;
                let items = self.stack.split_off(from);
                self.push(Object::Sequence(items))
            }
            b't' | b'l' | 0x91 => {
                let items = self.pop_to_mark()?;
                self.push(Object::Sequence(items))
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
                self.push(Object::Dict(pairs(&items)))
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

    fn extend_sequence(&mut self, items: &[Id]) -> Result<(), String> {
        let target = self.top()?;
        if let Object::Sequence(sequence) = &mut self.objects[target] {
            sequence.extend_from_slice(items);
        }
        Ok(())
    }

    fn extend_dict(&mut self, items: &[Id]) -> Result<(), String> {
        let target = self.top()?;
        if let Object::Dict(dict) = &mut self.objects[target] {
            dict.extend(pairs(items));
        }
        Ok(())
    }

    fn push(&mut self, object: Object) -> Result<(), String> {
        if self.objects.len() == MAX_OBJECTS {
            return Err(format!("it holds more than {MAX_OBJECTS} objects"));
        }
        self.stack.push(self.objects.len());
        self.objects.push(object);
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

    fn line(&mut self) -> Result<String, String> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|&b| b == b'\n').ok_or("a line does not end")?;
        let line = String::from_utf8_lossy(&rest[..end]).trim_end_matches('\r').to_owned();
        self.at += end + 1;
        Ok(line)
    }

    fn take(&mut self, n_bytes: usize) -> Result<&[u8], String> {
        let end = self.at.checked_add(n_bytes).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or_else(|| format!("it ends early, at byte {}", self.bytes.len()))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }
}

/// A signed little-endian integer; larger ones than 64 bits are nothing a tensor needs.
fn long(bytes: &[u8]) -> Object {
    if bytes.len() > 8 {
        return Object::Other;
    }
    let negative = bytes.last().is_some_and(|&b| b >= 0x80);
    let mut wide = [if negative { 0xff } else { 0 }; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    Object::Int(i64::from_le_bytes(wide))
}

fn pairs(items: &[Id]) -> Vec<(Id, Id)> {
    items.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
}
