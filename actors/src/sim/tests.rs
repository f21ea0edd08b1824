//! The simulation proves itself: it repeats, it finds planted bugs, it meets what it should meet.

use super::*;

#[test]
fn a_seed_plays_the_same_twice() {
    for seed in 0..20 {
        let (one, other) = (run(seed, Options::default()), run(seed, Options::default()));
        assert_eq!((one.hash, one.events), (other.hash, other.events), "seed {seed}");
        assert!(one.events > 100, "seed {seed} had {} events", one.events);
    }
}

#[test]
fn explore() {
    let from: u64 = std::env::var("FROM").ok().and_then(|s| s.parse().ok()).unwrap_or(0);
    let n: u64 = std::env::var("N").ok().and_then(|s| s.parse().ok()).unwrap_or(100);
    let t = std::time::Instant::now();
    let (mut events, mut hand, mut bad) = (0, 0, 0);
    let mut by = std::collections::BTreeMap::<&str, (u64, String)>::new();
    let mut counters = Counters::default();
    for seed in from..from + n {
        let r = run(seed, Options::default());
        events += r.events; hand += r.hand_overs; counters.add(&r.counters);
        if !r.violations.is_empty() { bad += 1; }
        let mut kinds = std::collections::BTreeSet::new();
        for v in &r.violations {
            if !kinds.insert(v.invariant) { continue; }
            let e = by.entry(v.invariant).or_insert((0, format!("seed {seed}: {}", v.what)));
            e.0 += 1;
        }
        if n == 1 { println!("{r}"); }
    }
    println!("{n} seeds in {:?}, {events} events, {hand} hand-overs, {bad} bad", t.elapsed());
    for (k, v) in by { println!("{k}: {} seeds; {}", v.0, v.1); }
    println!("never: {:?}", counters.never());
}

#[test]
fn planted() {
    let n: u64 = std::env::var("N").ok().and_then(|s| s.parse().ok()).unwrap_or(300);
    for bug in PlantedBug::ALL {
        let options = Options { bug: Some(bug), ..Options::default() };
        let t = std::time::Instant::now();
        let found = (0..n).map(|seed| run(seed, options)).find(|r| !r.violations.is_empty());
        match found {
            Some(r) => println!("{bug:?}: seed {} {:?} {:?}", r.seed, r.violations.iter().map(|v| v.invariant).collect::<Vec<_>>(), t.elapsed()),
            None => println!("{bug:?}: SURVIVED {:?}", t.elapsed()),
        }
    }
}
