//! Operators by graphs.

use super::graphs::Graphs;

/// Between columns.
const GAP: &str = "  ";

/// A line for each operator and a column for each graph.
pub fn lines(graphs: &Graphs) -> Vec<String> {
    let all = graphs.operators();
    let names = ["", ""].into_iter().chain(all.names()).chain(["all"]).map(str::to_owned);
    let mut columns = vec![names.collect::<Vec<String>>()];
    for graph in &graphs.lowered {
        let operators = &graph.operators;
        let heading = [graph.component.clone(), graph.segment.to_string()];
        let counts = all.names().map(|name| operators.count(name)).chain([operators.total()]);
        columns.push(heading.into_iter().chain(counts.map(shown)).collect());
    }
    let width = |column: &Vec<String>| column.iter().map(String::len).max().unwrap_or_default();
    let widths: Vec<usize> = columns.iter().map(width).collect();
    let row = |at: usize| {
        let cells = columns.iter().zip(&widths).map(|(column, &width)| format!("{:width$}", column[at]));
        cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
    };
    (0..columns[0].len()).map(row).collect()
}

fn shown(count: usize) -> String {
    if count == 0 { "-".to_owned() } else { count.to_string() }
}
