//! Marks and operations for a program that is recorded by Tidemark.
//!
//! ```
//! let _request = tidemark::operation("request"); // until it is dropped, on this thread
//! let job = tidemark::start("job");              // may be dropped on another thread, or across awaits
//! tidemark::mark("warm");
//! drop(job);
//! ```
//!
//! No dependencies, no allocation. Without a recording every call is a load and a branch. Names are UTF-8 without NUL; at
//! most 255 bytes are kept.

use std::marker::PhantomData;
use std::os::raw::{c_char, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

/// The table that libtidemark.so exports as `tidemark_api`: see tidemark.h.
#[repr(C)]
struct Api {
    version: u32,
    size_bytes: u32,
    mark: unsafe extern "C" fn(*const c_char),
    op_begin: unsafe extern "C" fn(*const c_char),
    op_end: unsafe extern "C" fn(),
    op_start: unsafe extern "C" fn(*const c_char) -> u64,
    op_finish: unsafe extern "C" fn(u64),
    pool_alloc: unsafe extern "C" fn(*const c_void, usize),
    pool_free: unsafe extern "C" fn(*const c_void),
}

const API_VERSION: u32 = 1;
const NAME_BYTES: usize = 256;

extern "C" {
    fn dlsym(handle: *mut c_void, symbol: *const c_char) -> *mut c_void;
}

/// Finds the table once. Two threads may look at the same time: they find the same.
fn api() -> Option<&'static Api> {
    static CACHED: AtomicPtr<Api> = AtomicPtr::new(ptr::null_mut());
    static LOOKED: AtomicBool = AtomicBool::new(false);
    if !LOOKED.load(Ordering::Acquire) {
        let rtld_default = ptr::null_mut();
        // SAFETY: the symbol's name ends with NUL; the table is constant and stays as long as the process.
        let found = unsafe { dlsym(rtld_default, b"tidemark_api\0".as_ptr().cast()) } as *mut Api;
        if !found.is_null() && unsafe { (*found).version } == API_VERSION {
            CACHED.store(found, Ordering::Relaxed);
        }
        LOOKED.store(true, Ordering::Release);
    }
    // SAFETY: null, or the table.
    unsafe { CACHED.load(Ordering::Relaxed).as_ref() }
}

/// The name with a NUL, cut where it does not fit, at the start of a character.
fn with_name<R>(name: &str, call: impl FnOnce(*const c_char) -> R) -> R {
    let mut length = name.len().min(NAME_BYTES - 1);
    while !name.is_char_boundary(length) {
        length -= 1;
    }
    let mut text = [0u8; NAME_BYTES];
    text[..length].copy_from_slice(&name.as_bytes()[..length]);
    call(text.as_ptr().cast())
}

/// Whether this process is recorded.
pub fn recording() -> bool {
    api().is_some()
}

/// Put a named instant into the recording.
pub fn mark(name: &str) {
    if let Some(api) = api() {
        // SAFETY: a string that ends with NUL and is copied; so below.
        with_name(name, |name| unsafe { (api.mark)(name) })
    }
}

/// An operation on this thread; ends when it is dropped. Operations of a thread nest.
#[must_use = "the operation ends when this is dropped"]
pub struct Operation(PhantomData<*const ()>); // not Send: it must end where it began

/// Begin an operation on this thread; allocations of this thread count for the innermost one.
pub fn operation(name: &str) -> Operation {
    if let Some(api) = api() {
        with_name(name, |name| unsafe { (api.op_begin)(name) })
    }
    Operation(PhantomData)
}

impl Drop for Operation {
    fn drop(&mut self) {
        if let Some(api) = api() {
            unsafe { (api.op_end)() }
        }
    }
}

/// An operation that may be finished on any thread; finished when it is dropped.
#[must_use = "the operation is finished when this is dropped"]
pub struct Started(u64);

/// Start an operation that may move to another thread, or live across awaits.
pub fn start(name: &str) -> Started {
    Started(api().map_or(0, |api| with_name(name, |name| unsafe { (api.op_start)(name) })))
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(api) = api() {
            unsafe { (api.op_finish)(self.0) }
        }
    }
}

/// Report a block that a custom allocator hands out; call it after the block is taken.
///
/// # Safety
/// Nothing is read at `address`; it must not be null, and differ from every other live block of the process.
pub unsafe fn pool_alloc(address: *const u8, size_bytes: usize) {
    if let Some(api) = api() {
        (api.pool_alloc)(address.cast(), size_bytes)
    }
}

/// Report that a block of a custom allocator ends; call it before the block can be reused.
///
/// # Safety
/// As for [`pool_alloc`].
pub unsafe fn pool_free(address: *const u8) {
    if let Some(api) = api() {
        (api.pool_free)(address.cast())
    }
}
