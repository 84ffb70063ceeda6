//! Chains of dots and indexes: fields, properties, params, methods and parts of values.

use rhai::{ASTFlags, BinaryExpr, Dynamic, Expr, FnCallExpr, Position};

use super::{Lower, Lowered, Result, inferred::Key, refused, scope::Bound, values};
use crate::calculator::compiled::{
    any::{Any, Table},
    kind::{Kind, Kinds},
    tree::{Comparison, Int, Statement},
};

/// A link of a chain, with the position of what it reads.
pub(super) struct Link<'e> {
    pub(super) part: Part<'e>,
    pub(super) position: Position,
    /// Whether it gives `()` for a value that is `()`, as `?.` does.
    optional: bool,
}

#[derive(Clone, Copy)]
pub(super) enum Part<'e> {
    Name(&'e str),
    Method(&'e FnCallExpr),
    Index(&'e Expr),
}

impl<'e> Link<'e> {
    fn of(expr: &'e Expr, dotted: bool, optional: bool) -> Option<Self> {
        let (part, position) = match expr {
            Expr::Property(property, position) if dotted => (Part::Name(&property.2), *position),
            Expr::MethodCall(call, position) if dotted => (Part::Method(call), *position),
            _ if dotted => return None,
            index => (Part::Index(index), index.start_position()),
        };
        Some(Link { part, position, optional })
    }
}

/// Root and links of a chain.
pub(super) fn chain(expr: &Expr) -> Option<(&Expr, Vec<Link<'_>>)> {
    let (sides, mut flags, mut dotted) = sides(expr)?;
    let (root, mut rest) = (&sides.lhs, &sides.rhs);
    let mut links = Vec::new();
    loop {
        let optional = flags.contains(ASTFlags::NEGATED);
        match self::sides(rest) {
            Some((inner, next, next_dotted)) if dotted || !flags.contains(ASTFlags::BREAK) => {
                links.push(Link::of(&inner.lhs, dotted, optional)?);
                (rest, flags, dotted) = (&inner.rhs, next, next_dotted);
            }
            _ => {
                links.push(Link::of(rest, dotted, optional)?);
                return Some((root, links));
            }
        }
    }
}

/// Both sides of a dot or an index, its flags, and whether it is a dot.
fn sides(expr: &Expr) -> Option<(&BinaryExpr, ASTFlags, bool)> {
    match expr {
        Expr::Dot(sides, flags, _) => Some((sides, *flags, true)),
        Expr::Index(sides, flags, _) => Some((sides, *flags, false)),
        _ => None,
    }
}

impl Lower<'_> {
    /// Lowers a chain.
    pub(super) fn access(&mut self, expr: &Expr) -> Result<Lowered> {
        let position = expr.position();
        let Some((root, links)) = chain(expr) else { return self.unknown(position) };
        match self.bound(root) {
            Some(Bound::State) => self.of_state(&links, position),
            Some(Bound::Event) => {
                let [first, others @ ..] = &links[..] else { return self.unknown(position) };
                let value = match self.link_name(first)? {
                    Some(name) => self.property(&name, position)?,
                    None => return self.unknown(position),
                };
                self.follow(value, others, true)
            }
            Some(Bound::Params) => {
                let data = Dynamic::from(self.context.params.clone());
                self.follow(Lowered::Data(data), &links, true)
            }
            bound => {
                let lent = bound.is_some();
                let value = self.value(root)?;
                self.follow(value, &links, lent)
            }
        }
    }

    /// Name that a link reads, if it is constant.
    fn link_name(&mut self, link: &Link<'_>) -> Result<Option<String>> {
        Ok(match link.part {
            Part::Name(name) => Some(name.to_owned()),
            Part::Index(index) => match self.value(index)? {
                Lowered::Any(Any::Const(held)) if held.kind() == Kind::Text => {
                    Some(held.view().written().into_owned())
                }
                _ => None,
            },
            Part::Method(_) => None,
        })
    }

    fn property(&self, name: &str, position: Position) -> Result<Lowered> {
        let int = match name {
            "time" => Int::Time,
            "now" => Int::Now,
            "step" => Int::Step,
            name => {
                let input = self.context.inputs.0.iter().position(|input| input == name);
                return match input.and_then(|input| u8::try_from(input).ok()) {
                    Some(input) => Ok(Lowered::Any(Any::Input(input))),
                    None => refused(position, format!("`{name}` is not among the properties read")),
                };
            }
        };
        Ok(Lowered::Int(int))
    }

    /// Follows links from a value. `lent` is whether it is a variable or an entry of a map.
    pub(super) fn follow(
        &mut self,
        mut value: Lowered,
        links: &[Link<'_>],
        mut lent: bool,
    ) -> Result<Lowered> {
        for (at, link) in links.iter().enumerate() {
            if link.optional && value.kinds().has(Kind::Unit) {
                return self.optional(value, &links[at..], lent);
            }
            (value, lent) = match (&link.part, value) {
                (Part::Method(call), value) => (self.method(value, call, lent, link.position)?, false),
                (_, Lowered::Data(data)) => (self.entry(&data, link)?, true),
                (Part::Index(index), value) => (self.part(value, index, link.position)?, false),
                (Part::Name(_), _) => return self.unknown(link.position),
            };
        }
        Ok(value)
    }

    /// Follows links unless the value is `()`.
    fn optional(&mut self, value: Lowered, links: &[Link<'_>], lent: bool) -> Result<Lowered> {
        let position = links[0].position;
        let simple = matches!(value, Lowered::Any(Any::Const(_) | Any::Input(_) | Any::Local(..)));
        if !simple {
            return refused(position, "`?.` after this value is not compiled");
        }
        let result = self.store(Key::Result(Self::at(position)));
        let present = self.compare(Comparison::NE, value.clone(), Lowered::UNIT, position)?;
        let Lowered::Truth(present) = present else { return self.unknown(position) };
        let first = Link { part: links[0].part, position, optional: false };
        let known = self.without_unit(value, position)?;
        let rest = self.follow(known, std::slice::from_ref(&first), lent)?;
        let rest = self.follow(rest, &links[1..], false)?;
        let yes = self.give(result, rest, position)?;
        let no = self.give(result, Lowered::UNIT, position)?;
        self.after(vec![Statement::If(present, vec![yes], vec![no])], self.stored(result), position)
    }

    /// The value where it is known not to be `()`.
    fn without_unit(&self, value: Lowered, position: Position) -> Result<Lowered> {
        let any = self.any(value, position)?;
        Ok(match any {
            Any::Local(variable, kinds) => {
                let kinds: Kinds = kinds.iter().filter(|kind| *kind != Kind::Unit).collect();
                Lowered::of(Any::Local(variable, kinds))
            }
            any => Lowered::of(any),
        })
    }

    /// An entry of a constant array or map.
    fn entry(&mut self, data: &Dynamic, link: &Link<'_>) -> Result<Lowered> {
        let position = link.position;
        let by = match link.part {
            Part::Name(name) => values::text_constant(name),
            Part::Index(index) => self.value(index)?,
            Part::Method(_) => return self.unknown(position),
        };
        if let Some(entry) = constant_entry(data, &by) {
            return values::constant(&entry, position);
        }
        match table(data) {
            Some(table) => {
                let by = self.any(by, position)?;
                Ok(Lowered::of(Any::Entry(Box::new(table), Box::new(by), self.place(position))))
            }
            None => refused(position, "this entry of an array or a map is not compiled"),
        }
    }

    /// A character of a text, or a bit of an integer.
    fn part(&mut self, of: Lowered, index: &Expr, position: Position) -> Result<Lowered> {
        let by = self.apart(position, |lower| lower.value(index))?;
        let sides = [self.any(of, position)?, self.any(by, position)?];
        if !sides[0].kinds().within([Kind::Text, Kind::Int].into_iter().collect()) {
            return refused(position, "an index into this value is not compiled");
        }
        Ok(Lowered::of(Any::Index(Box::new(sides), self.place(position))))
    }
}

/// The entry if it is there and its name or position is constant.
fn constant_entry(data: &Dynamic, by: &Lowered) -> Option<Dynamic> {
    match by {
        Lowered::Int(Int::Const(at)) => {
            let array = data.as_array_ref().ok()?;
            let distance = usize::try_from(at.unsigned_abs()).ok()?;
            let at = if *at < 0 { array.len().checked_sub(distance)? } else { distance };
            array.get(at).cloned()
        }
        Lowered::Any(Any::Const(name)) if name.kind() == Kind::Text => {
            data.as_map_ref().ok()?.get(&*name.view().written()).cloned()
        }
        _ => None,
    }
}

/// A constant array or map of scalars; `None` if it has others.
fn table(data: &Dynamic) -> Option<Table> {
    if let Ok(array) = data.as_array_ref() {
        return Some(Table::Array(array.iter().map(values::scalar).collect::<Option<_>>()?));
    }
    let map = data.as_map_ref().ok()?;
    let entries = map.iter().map(|(name, value)| Some((name.as_str().into(), values::scalar(value)?)));
    Some(Table::Map(entries.collect::<Option<_>>()?))
}
