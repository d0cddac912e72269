//! Operators of ONNX files: of the graph, of graphs within nodes such as branches, and of functions that the file defines.

use std::collections::BTreeSet;

use super::damage::Damage;
use super::wire::{Content, Fields};
use super::{MAX_NAMES, Operators, text};

/// Graphs within graphs. Loops within branches are a few deep.
const MAX_DEPTH: usize = 16;

/// Tags of the fields that are looked at, as in `onnx::proto`.
mod tag {
    pub const MODEL_GRAPH: u64 = 7;
    pub const MODEL_FUNCTION: u64 = 25;
    pub const FUNCTION_NAME: u64 = 1;
    pub const FUNCTION_NODE: u64 = 7;
    pub const FUNCTION_DOMAIN: u64 = 10;
    pub const GRAPH_NODE: u64 = 1;
    pub const NODE_OPERATOR: u64 = 4;
    pub const NODE_ATTRIBUTE: u64 = 5;
    pub const NODE_DOMAIN: u64 = 7;
    pub const ATTRIBUTE_GRAPH: u64 = 6;
    pub const ATTRIBUTE_GRAPHS: u64 = 11;
}

/// ONNX's own set of operators has this name too.
const OWN_DOMAIN: &str = "ai.onnx";

/// Counts nodes. What calls a function of the file is not counted, for the function's own nodes are, once.
pub(super) fn operators(bytes: &[u8]) -> Result<Operators, Damage> {
    let mut walk = Walk::default();
    let mut graphs = 0;
    for field in Fields::new(bytes) {
        match field? {
            (tag::MODEL_FUNCTION, Content::Bytes(function)) => walk.define(function)?,
            (tag::MODEL_GRAPH, Content::Bytes(_)) => graphs += 1,
            _ => {}
        }
    }
    if graphs != 1 {
        return Err(Damage::Wrong(format!("{graphs} graphs where there should be one")));
    }
    for field in Fields::new(bytes) {
        match field? {
            (tag::MODEL_GRAPH, Content::Bytes(graph)) => walk.nodes(graph, tag::GRAPH_NODE, 0)?,
            (tag::MODEL_FUNCTION, Content::Bytes(function)) => walk.nodes(function, tag::FUNCTION_NODE, 0)?,
            _ => {}
        }
    }
    Ok(walk.found)
}

#[derive(Debug, Default)]
struct Walk {
    found: Operators,
    /// Names of the file's own functions.
    functions: BTreeSet<String>,
}

fn full_name(domain: &str, name: &str) -> String {
    match domain {
        "" | OWN_DOMAIN => name.to_owned(),
        domain => format!("{domain}:{name}"),
    }
}

impl Walk {
    fn define(&mut self, function: &[u8]) -> Result<(), Damage> {
        let (mut name, mut domain) = ("", "");
        for field in Fields::new(function) {
            match field? {
                (tag::FUNCTION_NAME, Content::Bytes(bytes)) => name = text(bytes)?,
                (tag::FUNCTION_DOMAIN, Content::Bytes(bytes)) => domain = text(bytes)?,
                _ => {}
            }
        }
        self.functions.insert(full_name(domain, name));
        match self.functions.len() {
            0..=MAX_NAMES => Ok(()),
            _ => Err(Damage::TooMany { what: "functions", limit: MAX_NAMES }),
        }
    }

    /// Those among the fields of a graph or a function.
    fn nodes(&mut self, message: &[u8], tag: u64, depth: usize) -> Result<(), Damage> {
        if depth == MAX_DEPTH {
            return Err(Damage::TooMany { what: "graphs within graphs", limit: MAX_DEPTH });
        }
        for field in Fields::new(message) {
            match field? {
                (found, Content::Bytes(node)) if found == tag => self.node(node, depth)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn node(&mut self, node: &[u8], depth: usize) -> Result<(), Damage> {
        let (mut name, mut domain) = ("", "");
        for field in Fields::new(node) {
            match field? {
                (tag::NODE_OPERATOR, Content::Bytes(bytes)) => name = text(bytes)?,
                (tag::NODE_DOMAIN, Content::Bytes(bytes)) => domain = text(bytes)?,
                (tag::NODE_ATTRIBUTE, Content::Bytes(attribute)) => self.attribute(attribute, depth)?,
                _ => {}
            }
        }
        if name.is_empty() {
            return Err(Damage::Wrong("a node without an operator".to_owned()));
        }
        let name = full_name(domain, name);
        if self.functions.contains(&name) { Ok(()) } else { self.found.found(&name) }
    }

    fn attribute(&mut self, attribute: &[u8], depth: usize) -> Result<(), Damage> {
        for field in Fields::new(attribute) {
            if let (tag::ATTRIBUTE_GRAPH | tag::ATTRIBUTE_GRAPHS, Content::Bytes(graph)) = field? {
                self.nodes(graph, tag::GRAPH_NODE, depth + 1)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::{Damage, MAX_DEPTH, operators};
    use crate::onnx::proto::{Attribute, Function, Graph, Model, Node, Tensor};

    fn node(domain: &str, operator: &str) -> Node {
        Node { op_type: operator.to_owned(), domain: domain.to_owned(), ..Node::default() }
    }

    fn graph(node: Vec<Node>) -> Graph {
        Graph { node, initializer: vec![Tensor::integers("shape", &[1, 2])], ..Graph::default() }
    }

    fn file(graph: Graph) -> Vec<u8> {
        Model { ir_version: 10, graph: Some(graph), ..Model::default() }.encode_to_vec()
    }

    /// A node whose branch holds the next, `depth` times.
    fn nested(depth: usize) -> Graph {
        let branch = (depth > 0).then(|| nested(depth - 1));
        let attribute = Attribute { name: "then_branch".to_owned(), g: branch, ..Attribute::default() };
        graph(vec![Node { attribute: vec![attribute], ..node("", "If") }])
    }

    #[test]
    fn domains_branches_and_functions_are_counted() {
        let branches = Attribute { graphs: vec![graph(vec![node("", "Add")])], ..Attribute::default() };
        let nodes = vec![
            node("", "Add"),
            node("ai.onnx", "Add"),
            node("com.microsoft", "Gelu"),
            node("own", "Swish"),
            Node { attribute: vec![branches], ..node("", "Odd") },
        ];
        let function = Function { name: "Swish".to_owned(), domain: "own".to_owned(), node: vec![node("", "Sigmoid")] };
        let model = Model { graph: Some(graph(nodes)), functions: vec![function], ..Model::default() };
        let found = operators(&model.encode_to_vec()).expect("sound");
        assert_eq!(found.names().collect::<Vec<_>>(), ["Add", "Odd", "Sigmoid", "com.microsoft:Gelu"]);
        assert_eq!((found.count("Add"), found.total()), (3, 6));
    }

    #[test]
    fn no_byte_leads_to_a_panic() {
        let sound = file(nested(3));
        for at in 0..sound.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = sound.clone();
                changed[at] = value;
                let _ = operators(&changed);
            }
        }
    }

    #[test]
    fn damage_is_told() {
        let sound = file(nested(2));
        assert_eq!(operators(&sound).expect("sound").count("If"), 3);
        assert!(matches!(operators(&[]), Err(Damage::Wrong(_))), "no graph");
        assert!(matches!(operators(&[0x0b]), Err(Damage::Wrong(_))), "a group");
        assert!(matches!(operators(&[0xff; 11]), Err(Damage::Wrong(_))), "a long number");
        let twice = [sound.clone(), sound.clone()].concat();
        assert!(matches!(operators(&twice), Err(Damage::Wrong(_))), "two graphs");
        assert!(matches!(operators(&file(graph(vec![node("", "")]))), Err(Damage::Wrong(_))));
        for length in 0..sound.len() {
            assert!(operators(&sound[..length]).is_err(), "cut to {length}");
        }
        let long = node("", &"x".repeat(300));
        assert!(matches!(operators(&file(graph(vec![long]))), Err(Damage::TooMany { .. })));
        let many = (0..5000).map(|at| node("", &format!("Op{at}"))).collect();
        assert!(matches!(operators(&file(graph(many))), Err(Damage::TooMany { .. })));
        assert!(operators(&file(nested(MAX_DEPTH - 1))).is_ok());
        assert!(matches!(operators(&file(nested(MAX_DEPTH))), Err(Damage::TooMany { .. })));
    }
}
