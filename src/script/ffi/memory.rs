//! The memory of one Lua state: its allocator, its limit, and the state itself, which is closed
//! when this is dropped.
//!
//! A login makes and drops some hundred small Lua objects. The general allocator, reached through
//! mlua's own bookkeeping, takes five times as long for each as a free list does: so small blocks
//! ([`SMALL_MAX`] bytes) come from one region per state, by size, and go back to the list of their
//! size. The region is address space until it is touched; when it is used up, and for larger
//! blocks, the general allocator serves. What the region has once held stays with the state. A
//! state is one thread's; nothing here is locked.

use mlua::ffi::{self, lua_State};
use mlua::{Lua, StdLib};
use std::alloc::{Layout, alloc, dealloc, realloc};
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;

/// Owns a Lua state and all its memory.
pub struct Memory {
    state: *mut lua_State,
    pool: Box<Pool>,
}

impl Memory {
    /// A new state with `libraries`, and mlua's view of it, which must be dropped first. None: out
    /// of memory.
    pub fn new_state(libraries: StdLib) -> Option<(Memory, Lua)> {
        let pool = Box::new(Pool::new()?);
        let address: *const Pool = &*pool;
        // SAFETY: the allocator gets the pool's address, which is fixed by its box and outlives the
        // state.
        let state = unsafe { ffi::lua_newstate(allocate, address.cast_mut().cast()) };
        if state.is_null() {
            return None;
        }
        let memory = Memory { state, pool };
        // SAFETY: a fresh state with room on its stack; there is no limit yet, and without memory
        // the process could not start anyway.
        unsafe {
            ffi::luaL_requiref(state, c"_G".as_ptr(), ffi::luaopen_base, 1);
            ffi::lua_settop(state, 0);
        }
        // SAFETY: a fresh state; `memory` closes it, after the returned `Lua` is gone (see above).
        let lua = unsafe { Lua::get_or_init_from_ptr(state) }.clone();
        lua.load_std_libs(libraries).ok()?;
        Some((memory, lua))
    }

    /// Bytes that the state holds.
    pub fn used(&self) -> usize {
        self.pool.used.get()
    }

    /// Refuses to hold more than `bytes` from now on; 0: no limit.
    pub fn set_limit(&self, bytes: usize) {
        self.pool.limit.set(bytes);
    }

    /// Where the limit stands, for as long as this lives.
    pub fn limit(&self) -> *const Cell<usize> {
        &raw const self.pool.limit
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the state is ours and nobody uses it any more; the pool that its last objects go
        // back to is dropped after it.
        unsafe { ffi::lua_close(self.state) };
    }
}

/// Blocks by size, and how much of all memory is in use.
struct Pool {
    used: Cell<usize>,
    limit: Cell<usize>,
    /// Free blocks of 16, 32, … bytes.
    free: [Cell<*mut FreeBlock>; CLASSES],
    region: *mut u8,
    /// How much of the region was given out once.
    touched: Cell<usize>,
}

struct FreeBlock {
    next: *mut FreeBlock,
}

impl Pool {
    fn new() -> Option<Pool> {
        // SAFETY: the layout is not empty.
        let region = unsafe { alloc(REGION) };
        if !region.is_null() {
            // SAFETY: the region is ours. It is advice: a system that has no large pages for us
            // gives ordinary ones.
            unsafe { libc::madvise(region.cast(), REGION.size(), libc::MADV_HUGEPAGE) };
        }
        let free = [const { Cell::new(ptr::null_mut()) }; CLASSES];
        (!region.is_null()).then(|| Pool {
            used: Cell::new(0),
            limit: Cell::new(0),
            free,
            region,
            touched: Cell::new(0),
        })
    }

    fn owns(&self, block: *mut c_void) -> bool {
        (block as usize).wrapping_sub(self.region as usize) < REGION.size()
    }

    /// Whether the state may hold so many bytes more; if so, they are counted.
    fn admits(&self, more: usize) -> bool {
        let used = self.used.get().saturating_add(more);
        let limit = self.limit.get();
        if limit > 0 && used > limit {
            return false;
        }
        self.used.set(used);
        true
    }

    /// A block of `size` bytes, at least one.
    fn take(&self, size: usize) -> *mut c_void {
        if size <= SMALL_MAX {
            #[expect(
                clippy::indexing_slicing,
                reason = "`class` is below CLASSES for sizes up to SMALL_MAX"
            )]
            let list = &self.free[class(size)];
            let block = list.get();
            if !block.is_null() {
                // SAFETY: blocks of the list are free, and ours.
                list.set(unsafe { (*block).next });
                return block.cast();
            }
            let (begin, end) = (self.touched.get(), self.touched.get() + rounded(size));
            if end <= REGION.size() {
                self.touched.set(end);
                // SAFETY: within the region.
                return unsafe { self.region.add(begin).cast() };
            }
        }
        match Layout::from_size_align(size, ALIGN) {
            // SAFETY: the layout is not empty.
            Ok(layout) => unsafe { alloc(layout).cast() },
            Err(_) => ptr::null_mut(),
        }
    }

    /// Takes back a block of `size` bytes.
    ///
    /// # Safety
    /// It is one that [`Pool::take`] gave for that size, and nobody uses it.
    unsafe fn put(&self, block: *mut c_void, size: usize) {
        if self.owns(block) {
            #[expect(
                clippy::indexing_slicing,
                reason = "blocks of the pool have a size up to SMALL_MAX"
            )]
            let list = &self.free[class(size)];
            let block = block.cast::<FreeBlock>();
            // SAFETY: the block is free, has room for a pointer and is aligned for one.
            unsafe { block.write(FreeBlock { next: list.get() }) };
            list.set(block);
        } else {
            // SAFETY: it came from `alloc` with this layout.
            unsafe { dealloc(block.cast(), Layout::from_size_align_unchecked(size, ALIGN)) };
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // SAFETY: it came from `alloc` with this layout.
        unsafe { dealloc(self.region, REGION) };
    }
}

/// Lua's allocator (`lua_Alloc`): makes, resizes and frees blocks; null if there is no memory for
/// it.
unsafe extern "C" fn allocate(
    pool: *mut c_void,
    block: *mut c_void,
    old: usize,
    new: usize,
) -> *mut c_void {
    // SAFETY: `Memory::new_state` gave the pool's address.
    let pool = unsafe { &*pool.cast::<Pool>() };
    if block.is_null() {
        if new == 0 || !pool.admits(new) {
            return ptr::null_mut();
        }
        let made = pool.take(new);
        if made.is_null() {
            pool.used.set(pool.used.get() - new);
        }
        return made;
    }
    if new == 0 {
        pool.used.set(pool.used.get() - old);
        // SAFETY: Lua gives back what it got, with the size it asked for.
        unsafe { pool.put(block, old) };
        return ptr::null_mut();
    }
    // SAFETY: as above.
    unsafe { resize(pool, block, old, new) }
}

/// # Safety
/// As [`Pool::put`].
unsafe fn resize(pool: &Pool, block: *mut c_void, old: usize, new: usize) -> *mut c_void {
    if new > old && !pool.admits(new - old) {
        return ptr::null_mut();
    }
    let owned = pool.owns(block);
    let resized = if owned && rounded(new) == rounded(old) {
        block
    } else if owned {
        let moved = pool.take(new);
        if !moved.is_null() {
            // SAFETY: two blocks of at least so many bytes, and the old one is not used any more.
            unsafe {
                ptr::copy_nonoverlapping(block.cast::<u8>(), moved.cast::<u8>(), old.min(new));
                pool.put(block, old);
            }
        }
        moved
    } else {
        // SAFETY: it came from `alloc` with this layout, and the new size is not zero.
        unsafe { realloc(block.cast(), Layout::from_size_align_unchecked(old, ALIGN), new).cast() }
    };
    match (resized.is_null(), new > old) {
        (true, true) => pool.used.set(pool.used.get() - (new - old)),
        // Lua relies on shrinking never to fail: the block stays as it is.
        (true, false) => {
            pool.used.set(pool.used.get() - (old - new));
            return block;
        }
        (false, false) => pool.used.set(pool.used.get() - (old - new)),
        (false, true) => {}
    }
    resized
}

/// Which list blocks of `size` bytes belong to.
const fn class(size: usize) -> usize {
    (size - 1) / ALIGN
}

const fn rounded(size: usize) -> usize {
    size.div_ceil(ALIGN) * ALIGN
}

const ALIGN: usize = 16;

/// Blocks up to here are kept by size.
const SMALL_MAX: usize = 1024;
const CLASSES: usize = SMALL_MAX / ALIGN;

/// Address space for small blocks; a state at work touches some megabytes of it. On large pages,
/// for its objects lie scattered, and of ordinary pages they would need more than the processor
/// remembers the addresses of.
const REGION: Layout = match Layout::from_size_align(16 << 20, 2 << 20) {
    Ok(layout) => layout,
    Err(_) => panic!("a power of two is an alignment"),
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn call(pool: &Pool, block: *mut c_void, old: usize, new: usize) -> *mut c_void {
        // SAFETY: the tests give back what they got.
        unsafe { allocate(ptr::from_ref(pool).cast_mut().cast(), block, old, new) }
    }

    #[test]
    fn a_block_is_used_again_for_its_size() {
        let pool = Pool::new().unwrap();
        let first = call(&pool, ptr::null_mut(), 0, 40);
        assert_eq!(call(&pool, first, 40, 48), first, "both are of 48 bytes");
        call(&pool, first, 48, 0);
        assert_eq!(call(&pool, ptr::null_mut(), 0, 33), first);
        assert_eq!(pool.used.get(), 33);
    }

    #[test]
    fn the_limit_holds_for_small_and_large_blocks() {
        let pool = Pool::new().unwrap();
        pool.limit.set(10_000);
        let large = call(&pool, ptr::null_mut(), 0, 9_990);
        assert!(
            !large.is_null()
                && call(&pool, ptr::null_mut(), 0, 16).is_null()
                && call(&pool, large, 9_990, 10_001).is_null()
        );
        let large = call(&pool, large, 9_990, 5_000);
        assert_eq!(pool.used.get(), 5_000);
        call(&pool, large, 5_000, 0);
        assert_eq!(pool.used.get(), 0);
    }

    #[test]
    fn a_used_up_region_is_no_end() {
        let pool = Pool::new().unwrap();
        let count = REGION.size() / SMALL_MAX + 10;
        let blocks: Vec<_> =
            (0..count).map(|_| call(&pool, ptr::null_mut(), 0, SMALL_MAX)).collect();
        assert!(!pool.owns(blocks[count - 1]) && blocks.iter().all(|block| !block.is_null()));
        blocks.into_iter().for_each(|block| {
            call(&pool, block, SMALL_MAX, 0);
        });
        assert_eq!(pool.used.get(), 0);
    }

    proptest! {
        /// Blocks never overlap and keep their bytes, whatever is made, resized and freed in
        /// between.
        #[test]
        fn blocks_keep_their_bytes(steps in prop::collection::vec((any::<prop::sample::Index>(), 0usize..3000), 1..200)) {
            let pool = Pool::new().unwrap();
            let mut blocks: Vec<(*mut u8, usize, u8)> = vec![(ptr::null_mut(), 0, 0); 20];
            for (turn, (at, size)) in steps.into_iter().enumerate() {
                let (block, old, mark) = &mut blocks[at.index(20)];
                let new = call(&pool, block.cast(), *old, size).cast::<u8>();
                // SAFETY: the block is ours and of that size.
                unsafe {
                    prop_assert!((0..size.min(*old)).all(|i| *new.add(i) == *mark));
                    *mark = turn as u8;
                    (0..size).for_each(|i| *new.add(i) = *mark);
                }
                (*block, *old) = (new, size);
            }
            prop_assert_eq!(pool.used.get(), blocks.iter().map(|block| block.1).sum::<usize>());
            for (block, size, mark) in blocks {
                // SAFETY: as above.
                let kept = (0..size).all(|i| unsafe { *block.add(i) } == mark);
                prop_assert!(kept);
                call(&pool, block.cast(), size, 0);
            }
            prop_assert_eq!(pool.used.get(), 0);
        }
    }
}
