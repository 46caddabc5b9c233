//! A Rust program with operations: its trace holds exactly these calls, and nothing that they allocated.

fn leak() {
    let block = vec![7u8; 41];
    unsafe { std::ptr::read_volatile(block.as_ptr()) }; // or the compiler would leave the allocation out
    std::mem::forget(block);
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
