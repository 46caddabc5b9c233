//! A Rust program with operations: its trace holds exactly these calls, and nothing that they allocated.

fn leak() {
    std::mem::forget(std::hint::black_box(vec![7u8; 41]));
}

fn main() {
    for _ in 0..3 {
        let _request = tidemark::operation("request");
        leak();
        let _inner = tidemark::operation("inner");
    }
    let job = tidemark::start("job");
    std::thread::spawn(move || drop(job)).join().unwrap();
    let long = "ä".repeat(200);
    tidemark::mark(&long);
    tidemark::mark("last");
    println!("done");
}
