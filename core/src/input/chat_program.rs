//! A chat template as a program whose every step is metered.
//!
//! The engine has no hook where values are made, but shows its syntax tree. The tree is rebuilt with the meter's
//! functions around each expression that can make a large value, and around texts in the source, which then all reach
//! the output through one place. Nothing is computed while compiling. Trees that are too deep for the stack are refused
//! before they are built.

use minijinja::machinery::ast::{
    AutoEscape, BinOp, BinOpKind, Block, Call, CallArg, CallBlock, Compare, CompareOp, Const, Do, EmitExpr, Expr,
    Filter, FilterBlock, ForLoop, GetAttr, GetItem, IfCond, IfExpr, List, Macro, Map, Set, SetBlock, Slice, Spanned,
    Stmt, Template, Test, Tuple, UnaryOp, UnaryOpKind, Var, WithBlock,
};
use minijinja::machinery::{CodeGenerator, Token, eval, make_string_output, parse, tokenize};
use minijinja::{Environment, Error, ErrorKind, Value};

use crate::input::chat_meter::{CHARGE, STORE};

const NAME: &str = "chat";
/// Tokens of one tag; known templates stay below 200.
const MAX_TAG_TOKENS: usize = 1024;
/// `elif` branches of a template, each of which nests the rest.
const MAX_BRANCHES: usize = 256;
/// Nesting of the syntax tree, which each compiling step takes native stack for.
const MAX_DEPTH: usize = 256;

/// Whether `source` compiles.
pub(super) fn check(environment: &Environment<'_>, source: &str) -> Result<(), Error> {
    metered(environment, source).map(|_| ())
}

/// Runs the template `source` on `variables`.
pub(super) fn run<'a>(environment: &'a Environment<'a>, source: &'a str, variables: Value) -> Result<String, Error> {
    let tree = metered(environment, source)?;
    let mut generator = CodeGenerator::new(NAME, source);
    generator.compile_stmt(&tree);
    let (instructions, blocks) = generator.finish();
    let mut text = String::new();
    let mut output = make_string_output(&mut text);
    eval(environment, &instructions, variables, &blocks, &mut output, minijinja::AutoEscape::None)?;
    Ok(text)
}

fn metered<'a>(environment: &Environment<'_>, source: &'a str) -> Result<Stmt<'a>, Error> {
    check_tokens(environment, source)?;
    let tree = parse(source, NAME, environment.syntax().clone())?;
    Rebuild { depth: 0 }.stmt(&tree)
}

fn refused(reason: impl Into<String>) -> Error {
    Error::new(ErrorKind::SyntaxError, reason.into())
}

/// Bounds what the parser, which builds some chains without a limit, has to go through.
fn check_tokens(environment: &Environment<'_>, source: &str) -> Result<(), Error> {
    let (mut count, mut branches) = (0, 0);
    for token in tokenize(source, false, environment.syntax().clone()) {
        match token?.0 {
            Token::TemplateData(_) | Token::VariableStart | Token::BlockStart => count = 0,
            Token::Ident("elif") => branches += 1,
            _ => count += 1,
        }
        if count > MAX_TAG_TOKENS {
            return Err(refused(format!("a tag has more than {MAX_TAG_TOKENS} tokens")));
        }
        if branches > MAX_BRANCHES {
            return Err(refused(format!("more than {MAX_BRANCHES} elif branches")));
        }
    }
    Ok(())
}

/// A copy of a node's own fields at its place in the source.
macro_rules! at {
    ($kind:ident :: $variant:ident, $node:expr, $new:expr) => {
        $kind::$variant(Spanned::new($new, $node.span()))
    };
}

struct Rebuild {
    depth: usize,
}

impl Rebuild {
    fn deeper<T>(&mut self, build: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if self.depth == MAX_DEPTH {
            return Err(refused(format!("more than {MAX_DEPTH} levels of nesting")));
        }
        self.depth += 1;
        let built = build(self);
        self.depth -= 1;
        built
    }

    fn stmts<'a>(&mut self, list: &[Stmt<'a>]) -> Result<Vec<Stmt<'a>>, Error> {
        list.iter().map(|stmt| self.stmt(stmt)).collect()
    }

    fn stmt<'a>(&mut self, stmt: &Stmt<'a>) -> Result<Stmt<'a>, Error> {
        self.deeper(|this| this.stmt_inside(stmt))
    }

    fn stmt_inside<'a>(&mut self, stmt: &Stmt<'a>) -> Result<Stmt<'a>, Error> {
        Ok(match stmt {
            Stmt::Template(s) => at!(Stmt::Template, s, Template { children: self.stmts(&s.children)? }),
            Stmt::EmitExpr(s) => at!(Stmt::EmitExpr, s, EmitExpr { expr: self.expr(&s.expr)? }),
            Stmt::EmitRaw(s) => {
                let text = at!(Expr::Const, s, Const { value: Value::from(s.raw) });
                at!(Stmt::EmitExpr, s, EmitExpr { expr: text })
            }
            Stmt::ForLoop(s) => {
                let new = ForLoop {
                    target: self.target(&s.target)?,
                    iter: self.expr(&s.iter)?,
                    filter_expr: self.option(s.filter_expr.as_ref())?,
                    recursive: s.recursive,
                    body: self.stmts(&s.body)?,
                    else_body: self.stmts(&s.else_body)?,
                };
                at!(Stmt::ForLoop, s, new)
            }
            Stmt::IfCond(s) => {
                let new = IfCond {
                    expr: self.expr(&s.expr)?,
                    true_body: self.stmts(&s.true_body)?,
                    false_body: self.stmts(&s.false_body)?,
                };
                at!(Stmt::IfCond, s, new)
            }
            Stmt::WithBlock(s) => {
                let pairs = s.assignments.iter().map(|(target, expr)| self.assignment(target, expr));
                let assignments = pairs.collect::<Result<_, _>>()?;
                at!(Stmt::WithBlock, s, WithBlock { assignments, body: self.stmts(&s.body)? })
            }
            Stmt::Set(s) => {
                let (target, expr) = self.assignment(&s.target, &s.expr)?;
                at!(Stmt::Set, s, Set { target, expr })
            }
            Stmt::SetBlock(s) => {
                let (target, filter) = (self.target(&s.target)?, self.option(s.filter.as_ref())?);
                at!(Stmt::SetBlock, s, SetBlock { target, filter, body: self.stmts(&s.body)? })
            }
            Stmt::AutoEscape(s) => {
                let enabled = self.expr(&s.enabled)?;
                at!(Stmt::AutoEscape, s, AutoEscape { enabled, body: self.stmts(&s.body)? })
            }
            Stmt::FilterBlock(s) => {
                let filter = self.expr(&s.filter)?;
                at!(Stmt::FilterBlock, s, FilterBlock { filter, body: self.stmts(&s.body)? })
            }
            Stmt::Block(s) => {
                at!(Stmt::Block, s, Block { name: s.name, required: s.required, body: self.stmts(&s.body)? })
            }
            Stmt::Macro(s) => Stmt::Macro(self.declaration(s)?),
            Stmt::CallBlock(s) => {
                let call = Spanned::new(self.call(&s.call)?, s.call.span());
                at!(Stmt::CallBlock, s, CallBlock { call, macro_decl: self.declaration(&s.macro_decl)? })
            }
            Stmt::Continue(s) => at!(Stmt::Continue, s, minijinja::machinery::ast::Continue),
            Stmt::Break(s) => at!(Stmt::Break, s, minijinja::machinery::ast::Break),
            Stmt::Do(s) => at!(Stmt::Do, s, Do { call: Spanned::new(self.call(&s.call)?, s.call.span()) }),
            Stmt::Import(_) | Stmt::FromImport(_) | Stmt::Extends(_) | Stmt::Include(_) => {
                return Err(refused("a chat template is alone: there is none to include, import or extend"));
            }
        })
    }

    fn declaration<'a>(&mut self, decl: &Spanned<Macro<'a>>) -> Result<Spanned<Macro<'a>>, Error> {
        let new = Macro {
            name: decl.name,
            args: decl.args.iter().map(|arg| self.target(arg)).collect::<Result<_, _>>()?,
            defaults: self.exprs(&decl.defaults)?,
            body: self.stmts(&decl.body)?,
        };
        Ok(Spanned::new(new, decl.span()))
    }

    fn assignment<'a>(&mut self, target: &Expr<'a>, expr: &Expr<'a>) -> Result<(Expr<'a>, Expr<'a>), Error> {
        let value = self.expr(expr)?;
        let value = if matches!(target, Expr::GetAttr(_)) { through(STORE, value) } else { value };
        Ok((self.target(target)?, value))
    }

    /// What is assigned to: names, attributes of namespaces, and lists of those.
    fn target<'a>(&mut self, target: &Expr<'a>) -> Result<Expr<'a>, Error> {
        let targets = |this: &mut Self, items: &[Expr<'a>]| {
            items.iter().map(|item| this.target(item)).collect::<Result<Vec<_>, Error>>()
        };
        self.deeper(|this| {
            Ok(match target {
                Expr::Var(e) => at!(Expr::Var, e, Var { id: e.id }),
                Expr::List(e) => at!(Expr::List, e, List { items: targets(this, &e.items)? }),
                Expr::Tuple(e) => at!(Expr::Tuple, e, Tuple { items: targets(this, &e.items)? }),
                Expr::GetAttr(e) => at!(Expr::GetAttr, e, GetAttr { expr: this.expr(&e.expr)?, name: e.name }),
                other => return Err(refused(format!("cannot assign to a {}", other.description()))),
            })
        })
    }

    fn option<'a>(&mut self, expr: Option<&Expr<'a>>) -> Result<Option<Expr<'a>>, Error> {
        expr.map(|expr| self.expr(expr)).transpose()
    }

    fn exprs<'a>(&mut self, list: &[Expr<'a>]) -> Result<Vec<Expr<'a>>, Error> {
        list.iter().map(|expr| self.expr(expr)).collect()
    }

    fn expr<'a>(&mut self, expr: &Expr<'a>) -> Result<Expr<'a>, Error> {
        let built = self.deeper(|this| this.expr_inside(expr))?;
        let makes_values = match expr {
            Expr::Slice(_) | Expr::Filter(_) | Expr::Call(_) | Expr::List(_) | Expr::Tuple(_) | Expr::Map(_) => true,
            Expr::BinOp(e) => makes_values(e.op),
            _ => false,
        };
        Ok(if makes_values { through(CHARGE, built) } else { built })
    }

    fn expr_inside<'a>(&mut self, expr: &Expr<'a>) -> Result<Expr<'a>, Error> {
        Ok(match expr {
            Expr::Var(e) => at!(Expr::Var, e, Var { id: e.id }),
            Expr::Const(e) => at!(Expr::Const, e, Const { value: e.value.clone() }),
            Expr::Slice(e) => {
                let new = Slice {
                    expr: self.expr(&e.expr)?,
                    start: self.option(e.start.as_ref())?,
                    stop: self.option(e.stop.as_ref())?,
                    step: self.option(e.step.as_ref())?,
                };
                at!(Expr::Slice, e, new)
            }
            Expr::UnaryOp(e) => {
                let not = matches!(e.op, UnaryOpKind::Not);
                let op = if not { UnaryOpKind::Not } else { UnaryOpKind::Neg };
                at!(Expr::UnaryOp, e, UnaryOp { op, expr: self.expr(&e.expr)? })
            }
            Expr::BinOp(e) => {
                let (left, right) = (self.expr(&e.left)?, self.expr(&e.right)?);
                // Two constants would be computed by the compiler.
                let constant = matches!(left, Expr::Const(_)) && makes_values(e.op);
                let left = if constant { through(CHARGE, left) } else { left };
                at!(Expr::BinOp, e, BinOp { op: e.op, left, right })
            }
            Expr::Compare(e) => {
                let ops = e.ops.iter().map(|op| Ok(CompareOp { op: op.op, expr: self.expr(&op.expr)? }));
                let ops = ops.collect::<Result<_, Error>>()?;
                at!(Expr::Compare, e, Compare { expr: self.expr(&e.expr)?, ops })
            }
            Expr::IfExpr(e) => {
                let new = IfExpr {
                    test_expr: self.expr(&e.test_expr)?,
                    true_expr: self.expr(&e.true_expr)?,
                    false_expr: self.option(e.false_expr.as_ref())?,
                };
                at!(Expr::IfExpr, e, new)
            }
            Expr::Filter(e) => {
                let expr = self.option(e.expr.as_ref())?;
                at!(Expr::Filter, e, Filter { name: e.name, expr, args: self.args(&e.args, None)? })
            }
            Expr::Test(e) => {
                let expr = self.expr(&e.expr)?;
                at!(Expr::Test, e, Test { name: e.name, expr, args: self.args(&e.args, None)? })
            }
            Expr::GetAttr(e) => at!(Expr::GetAttr, e, GetAttr { expr: self.expr(&e.expr)?, name: e.name }),
            Expr::GetItem(e) => {
                let new = GetItem { expr: self.expr(&e.expr)?, subscript_expr: self.expr(&e.subscript_expr)? };
                at!(Expr::GetItem, e, new)
            }
            Expr::Call(e) => at!(Expr::Call, e, self.call(e)?),
            Expr::List(e) => at!(Expr::List, e, List { items: self.exprs(&e.items)? }),
            Expr::Tuple(e) => at!(Expr::Tuple, e, Tuple { items: self.exprs(&e.items)? }),
            Expr::Map(e) => {
                at!(Expr::Map, e, Map { keys: self.exprs(&e.keys)?, values: self.exprs(&e.values)? })
            }
        })
    }

    fn call<'a>(&mut self, call: &Call<'a>) -> Result<Call<'a>, Error> {
        // `loop.changed(x)` keeps x in the loop, which must not come to contain itself.
        let keeps = matches!(&call.expr, Expr::GetAttr(attr) if attr.name == "changed");
        Ok(Call { expr: self.expr(&call.expr)?, args: self.args(&call.args, keeps.then_some(STORE))? })
    }

    fn args<'a>(&mut self, args: &[CallArg<'a>], via: Option<&'static str>) -> Result<Vec<CallArg<'a>>, Error> {
        let mut value = |expr: &Expr<'a>| {
            let built = self.expr(expr)?;
            Ok::<_, Error>(if let Some(function) = via { through(function, built) } else { built })
        };
        args.iter()
            .map(|arg| match arg {
                CallArg::Pos(expr) => Ok(CallArg::Pos(value(expr)?)),
                CallArg::Kwarg(name, expr) => Ok(CallArg::Kwarg(name, value(expr)?)),
                CallArg::PosSplat(_) | CallArg::KwargSplat(_) => {
                    Err(refused("arguments cannot be unpacked with * or **"))
                }
            })
            .collect()
    }
}

/// Whether the operator's result can be larger than a number.
fn makes_values(op: BinOpKind) -> bool {
    matches!(op, BinOpKind::Add | BinOpKind::Mul | BinOpKind::Concat)
}

/// A call of a function of the meter with `expr`.
fn through<'a>(function: &'static str, expr: Expr<'a>) -> Expr<'a> {
    let span = expr.span();
    let name = Expr::Var(Spanned::new(Var { id: function }, span));
    Expr::Call(Spanned::new(Call { expr: name, args: vec![CallArg::Pos(expr)] }, span))
}
