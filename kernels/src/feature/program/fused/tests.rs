use super::*;
use crate::feature::catalogue::CATALOGUE;
use crate::feature::graph::Graph;
use crate::feature::op::Op;

/// A plan of some features of the catalogue, each with the numbers given or its defaults.
fn program(features: &[(&str, &[f64])]) -> Program {
    let (mut graph, mut outputs) = (Graph::default(), Vec::new());
    for (name, parameters) in features {
        let entry = CATALOGUE.iter().find(|entry| entry.name == *name).unwrap();
        let names = ["high", "low", "close", "open", "volume"];
        let inputs: Vec<Register> = entry
            .inputs
            .iter()
            .enumerate()
            .map(|(at, input)| names.iter().position(|name| *name == input.column).unwrap_or(5 + at))
            .map(|place| graph.add(Op::Column(place), &[]))
            .collect();
        let defaults = entry.parameters.iter().map(|parameter| parameter.default);
        let values: Vec<f64> = parameters.iter().copied().chain(defaults.skip(parameters.len())).collect();
        outputs.extend((entry.lower)(&mut graph, &inputs, &values));
    }
    Program::new(&graph, &outputs)
}

#[test]
fn neighbours_are_joined() {
    let program = program(&[
        ("rocp", &[1.0]),
        ("ema", &[12.0]),
        ("ema", &[26.0]),
        ("macd", &[]),
        ("rsi", &[]),
        ("sma", &[20.0]),
        ("stddev", &[20.0]),
        ("bbands", &[20.0]),
        ("rocp", &[10.0]),
        ("atr", &[14.0]),
    ]);
    let kinds =
        |wanted: fn(&Kind) -> bool| program.groups.steps.iter().filter(|step| wanted(&step.kind)).count();
    assert_eq!(kinds(|kind| matches!(kind, Kind::Bands { width: Some(_), .. })), 1);
    assert_eq!(kinds(|kind| matches!(kind, Kind::Convergence { .. })), 1);
    assert_eq!(kinds(|kind| matches!(kind, Kind::AverageRange { .. })), 1);
    assert_eq!(kinds(|kind| matches!(kind, Kind::Chain { links, .. } if links.len() == 2)), 2);
    // Two lags, an average and the index.
    assert_eq!(kinds(|kind| matches!(kind, Kind::Node(_))), 4);
}

/// Every step reads what was last written to its lanes, every node is in one step, and outputs are known when it is said.
#[test]
fn steps_read_what_was_last_written() {
    let all: Vec<(&str, &[f64])> = CATALOGUE.iter().map(|entry| (entry.name, &[][..])).collect();
    let program = program(&all);
    let parts = search::parts(&program);
    let fused = &program.groups;
    let mut holds: Vec<Option<Register>> = vec![None; fused.lanes];
    (0..program.columns.len() + program.constants.len())
        .for_each(|register| holds[register] = Some(register));
    let mut known = fused.known.iter().peekable();
    let mut states = vec![0; program.state_len];
    assert_eq!(parts.len(), fused.steps.len());
    for (ran, (step, part)) in fused.steps.iter().zip(&parts).enumerate() {
        while let Some(output) = known.next_if(|output| output.after <= ran) {
            assert_eq!(holds[output.lane], Some(program.outputs[output.output]));
        }
        let lanes: Vec<Register> = step.kind.clone().reads().into_iter().map(|lane| *lane).collect();
        for (lane, register) in lanes.iter().zip(part.reads()) {
            assert_eq!(holds[*lane], Some(register));
            assert!(!(step.out..step.out + step.lanes).contains(lane));
        }
        for (lane, register) in (step.out..).zip(part.writes.iter().copied()) {
            holds[lane] = Some(register);
        }
        let own = match &step.kind {
            Kind::Node(node) => vec![(node.state, node.state_len)],
            Kind::Chain { .. } => vec![],
            Kind::AverageRange { state, .. } | Kind::Bands { state, .. } => {
                vec![*state]
            }
            Kind::Convergence { states, .. } => states.to_vec(),
        };
        own.into_iter()
            .for_each(|(from, len)| states[from..from + len].iter_mut().for_each(|times| *times += 1));
    }
    for output in known {
        assert_eq!(holds[output.lane], Some(program.outputs[output.output]));
    }
    assert!(states.iter().all(|times| *times == 1), "each state belongs to one step");
}
