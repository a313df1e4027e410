//! Changes to header fields, carried out by the host.

use crate::{Malformed, Reader, Writer};

/// One change; `header-edits` says what each does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit<'a> {
    /// Takes a field out.
    Remove(&'a str),
    /// Takes out all fields whose names begin so.
    RemoveStarting(&'a str),
    /// Takes out what is about one connection.
    RemoveConnection,
    /// Puts one field in the place of all of its name.
    Set(&'a str, &'a [u8]),
    /// Adds a field.
    Append(&'a str, &'a [u8]),
    /// Sets a field by the message's media type.
    SetByType {
        /// The field.
        name: &'a str,
        /// Media types and their values.
        kinds: Vec<(&'a str, &'a [u8])>,
        /// For all other types.
        otherwise: Option<&'a [u8]>,
    },
}

const REMOVE: u8 = 0;
const REMOVE_STARTING: u8 = 1;
const REMOVE_CONNECTION: u8 = 2;
const SET: u8 = 3;
const APPEND: u8 = 4;
const SET_BY_TYPE: u8 = 5;

/// Most media types of one edit: 64.
const KINDS_MAX: u32 = 64;

impl<'a> Edit<'a> {
    /// Adds the edit to `out`.
    pub fn write(&self, out: &mut Writer) {
        match self {
            Self::Remove(name) => {
                out.byte(REMOVE);
                out.bytes(name);
            }
            Self::RemoveStarting(start) => {
                out.byte(REMOVE_STARTING);
                out.bytes(start);
            }
            Self::RemoveConnection => out.byte(REMOVE_CONNECTION),
            Self::Set(name, value) => write_field(out, SET, name, value),
            Self::Append(name, value) => write_field(out, APPEND, name, value),
            Self::SetByType { name, kinds, otherwise } => {
                out.byte(SET_BY_TYPE);
                out.bytes(name);
                out.length(kinds.len());
                for (kind, value) in kinds {
                    out.bytes(kind);
                    out.bytes(value);
                }
                out.byte(u8::from(otherwise.is_some()));
                if let Some(value) = otherwise {
                    out.bytes(value);
                }
            }
        }
    }

    /// Takes an edit.
    ///
    /// # Errors
    /// If there is none.
    pub fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(match reader.byte()? {
            REMOVE => Self::Remove(reader.text()?),
            REMOVE_STARTING => Self::RemoveStarting(reader.text()?),
            REMOVE_CONNECTION => Self::RemoveConnection,
            SET => Self::Set(reader.text()?, reader.bytes()?),
            APPEND => Self::Append(reader.text()?, reader.bytes()?),
            SET_BY_TYPE => {
                let name = reader.text()?;
                let count = reader.number()?;
                if count > KINDS_MAX {
                    return Err(Malformed);
                }
                let kind = |_| Ok((reader.text()?, reader.bytes()?));
                let kinds = (0..count).map(kind).collect::<Result<_, _>>()?;
                let otherwise = match reader.byte()? {
                    0 => None,
                    1 => Some(reader.bytes()?),
                    _ => return Err(Malformed),
                };
                Self::SetByType { name, kinds, otherwise }
            }
            _ => return Err(Malformed),
        })
    }
}

impl Edit<'_> {
    /// Adds an [`Edit::Set`] but for its value, which must follow.
    pub(crate) fn start_set(out: &mut Writer, name: &str) {
        out.byte(SET);
        out.bytes(name);
    }
}

fn write_field(out: &mut Writer, kind: u8, name: &str, value: &[u8]) {
    out.byte(kind);
    out.bytes(name);
    out.bytes(value);
}

/// Most edits of one list: 1 024, where a gateway makes twenty.
const EDITS_MAX: u32 = 1_024;

/// Takes a list of edits.
pub(crate) fn read_edits<'a>(reader: &mut Reader<'a>) -> Result<Vec<Edit<'a>>, Malformed> {
    let count = reader.number()?;
    if count > EDITS_MAX {
        return Err(Malformed);
    }
    (0..count).map(|_| Edit::read(reader)).collect()
}

/// Writes a list of edits.
pub(crate) fn write_edits<'e>(out: &mut Writer, edits: impl IntoIterator<Item = Edit<'e>>) {
    write_edits_with(out, edits, Edit::write);
}

/// Writes a list of edits, each by `write`.
pub(crate) fn write_edits_with<'e>(
    out: &mut Writer,
    edits: impl IntoIterator<Item = Edit<'e>>,
    mut write: impl FnMut(&Edit<'e>, &mut Writer),
) {
    let gap = out.gap();
    let mut count: usize = 0;
    for edit in edits {
        write(&edit, out);
        count = count.saturating_add(1);
    }
    out.fill(&gap, count);
}
