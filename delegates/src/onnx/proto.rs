//! The messages of `onnx.proto3` (ONNX 1.23, Apache-2.0) that are written here or counted; fields that neither needs are
//! skipped when a file is read.

use prost::Message;

/// Version of the format, `ir_version`.
pub const IR_VERSION: i64 = 10;
/// `AttributeProto.AttributeType` of what is written.
pub mod attribute {
    /// A float.
    pub const FLOAT: i32 = 1;
    /// An integer.
    pub const INT: i32 = 2;
    /// Bytes.
    pub const STRING: i32 = 3;
    /// Integers.
    pub const INTS: i32 = 7;
}

/// A file.
#[derive(Clone, PartialEq, Message)]
pub struct Model {
    /// Version of the format.
    #[prost(int64, tag = "1")]
    pub ir_version: i64,
    /// Who wrote it.
    #[prost(string, tag = "2")]
    pub producer_name: String,
    /// The network.
    #[prost(message, optional, tag = "7")]
    pub graph: Option<Graph>,
    /// Versions of the operators.
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<Opset>,
    /// Operators that the file defines by others.
    #[prost(message, repeated, tag = "25")]
    pub functions: Vec<Function>,
}

/// Version of a set of operators.
#[derive(Clone, PartialEq, Message)]
pub struct Opset {
    /// Empty for ONNX's own.
    #[prost(string, tag = "1")]
    pub domain: String,
    /// Its version.
    #[prost(int64, tag = "2")]
    pub version: i64,
}

/// An operator that is defined by others.
#[derive(Clone, PartialEq, Message)]
pub struct Function {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// What it does.
    #[prost(message, repeated, tag = "7")]
    pub node: Vec<Node>,
    /// Where its name is unlike all others.
    #[prost(string, tag = "10")]
    pub domain: String,
}

/// A network.
#[derive(Clone, PartialEq, Message)]
pub struct Graph {
    /// Operations in the order in which they run.
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<Node>,
    /// Its name.
    #[prost(string, tag = "2")]
    pub name: String,
    /// Constants.
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<Tensor>,
    /// What it is given.
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfo>,
    /// What it gives.
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfo>,
}

/// An operation.
#[derive(Clone, PartialEq, Message)]
pub struct Node {
    /// Names of what it reads.
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    /// Names of what it gives.
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    /// Its own name.
    #[prost(string, tag = "3")]
    pub name: String,
    /// The operator.
    #[prost(string, tag = "4")]
    pub op_type: String,
    /// Its settings.
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<Attribute>,
    /// The set that the operator is of; empty for ONNX's own.
    #[prost(string, tag = "7")]
    pub domain: String,
}

/// A setting of an operation.
#[derive(Clone, PartialEq, Message)]
pub struct Attribute {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// A float. Fields of one value are written also where they are zero: readers tell zero from nothing.
    #[prost(float, optional, tag = "2")]
    pub f: Option<f32>,
    /// An integer.
    #[prost(int64, optional, tag = "3")]
    pub i: Option<i64>,
    /// Bytes.
    #[prost(bytes = "vec", optional, tag = "4")]
    pub s: Option<Vec<u8>>,
    /// A network, such as a branch.
    #[prost(message, optional, tag = "6")]
    pub g: Option<Graph>,
    /// Integers.
    #[prost(int64, repeated, tag = "8")]
    pub ints: Vec<i64>,
    /// Networks.
    #[prost(message, repeated, tag = "11")]
    pub graphs: Vec<Graph>,
    /// Which of the fields holds it.
    #[prost(int32, tag = "20")]
    pub r#type: i32,
}

/// A constant.
#[derive(Clone, PartialEq, Message)]
pub struct Tensor {
    /// Extents, outermost first.
    #[prost(int64, repeated, tag = "1")]
    pub dims: Vec<i64>,
    /// An [`Element`].
    #[prost(int32, tag = "2")]
    pub data_type: i32,
    /// Its name.
    #[prost(string, tag = "8")]
    pub name: String,
    /// Values, little-endian.
    #[prost(bytes = "vec", tag = "9")]
    pub raw_data: Vec<u8>,
}

/// An input or output.
#[derive(Clone, PartialEq, Message)]
pub struct ValueInfo {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// What it holds.
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<Type>,
}

/// What an input or output holds.
#[derive(Clone, PartialEq, Message)]
pub struct Type {
    /// A tensor.
    #[prost(message, optional, tag = "1")]
    pub tensor_type: Option<TensorType>,
}

/// Values and extents of a tensor.
#[derive(Clone, PartialEq, Message)]
pub struct TensorType {
    /// An [`Element`].
    #[prost(int32, tag = "1")]
    pub elem_type: i32,
    /// Extents.
    #[prost(message, optional, tag = "2")]
    pub shape: Option<Shape>,
}

/// Extents.
#[derive(Clone, PartialEq, Message)]
pub struct Shape {
    /// Outermost first.
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<Dimension>,
}

/// An extent.
#[derive(Clone, PartialEq, Message)]
pub struct Dimension {
    /// Its value.
    #[prost(int64, optional, tag = "1")]
    pub dim_value: Option<i64>,
}

/// `TensorProto.DataType` of what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Element {
    /// Single precision.
    Float = 1,
    /// Bytes.
    Uint8 = 2,
    /// Bytes with a sign.
    Int8 = 3,
    /// Two bytes.
    Uint16 = 4,
    /// Two bytes with a sign.
    Int16 = 5,
    /// Four bytes with a sign.
    Int32 = 6,
    /// Eight bytes with a sign.
    Int64 = 7,
}

impl Tensor {
    /// A constant of little-endian values.
    #[must_use]
    pub fn new(name: impl Into<String>, element: Element, shape: &[usize], raw_data: Vec<u8>) -> Self {
        let dims = shape.iter().map(|&extent| extent as i64).collect();
        Self { dims, data_type: element as i32, name: name.into(), raw_data }
    }

    /// Floats.
    #[must_use]
    pub fn floats(name: impl Into<String>, shape: &[usize], values: &[f32]) -> Self {
        Self::new(name, Element::Float, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    /// Integers of one axis.
    #[must_use]
    pub fn integers(name: impl Into<String>, values: &[i64]) -> Self {
        let data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self::new(name, Element::Int64, &[values.len()], data)
    }
}

impl Attribute {
    /// A float.
    #[must_use]
    pub fn float(name: &str, f: f32) -> Self {
        Self { name: name.to_owned(), f: Some(f), r#type: attribute::FLOAT, ..Self::default() }
    }

    /// An integer.
    #[must_use]
    pub fn int(name: &str, i: i64) -> Self {
        Self { name: name.to_owned(), i: Some(i), r#type: attribute::INT, ..Self::default() }
    }

    /// A word.
    #[must_use]
    pub fn string(name: &str, s: &str) -> Self {
        Self { name: name.to_owned(), s: Some(s.as_bytes().to_vec()), r#type: attribute::STRING, ..Self::default() }
    }

    /// Integers.
    #[must_use]
    pub fn ints(name: &str, ints: impl IntoIterator<Item = usize>) -> Self {
        let ints = ints.into_iter().map(|value| value as i64).collect();
        Self { name: name.to_owned(), ints, r#type: attribute::INTS, ..Self::default() }
    }
}

impl ValueInfo {
    /// An input or output of these extents.
    #[must_use]
    pub fn new(name: impl Into<String>, element: Element, shape: &[usize]) -> Self {
        let dim = shape.iter().map(|&extent| Dimension { dim_value: Some(extent as i64) }).collect();
        let tensor = TensorType { elem_type: element as i32, shape: Some(Shape { dim }) };
        Self { name: name.into(), r#type: Some(Type { tensor_type: Some(tensor) }) }
    }
}
