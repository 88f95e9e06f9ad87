//! Blocks that are read on a thread of their own and used on this one, which holds the GIL: what tokenizers that are
//! Python code need.

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use pyo3::prelude::*;
use una_core::text::Block;

use crate::errors::{no_thread, to_py};
use crate::gil::{STEP, guarded};
use crate::streams::Fed;

/// The place where read blocks arrive, and what is done with each; it answers whether to go on.
pub(crate) struct Inbox<'a, 'py> {
    py: Python<'py>,
    blocks: Receiver<una_core::Result<Block>>,
    tick: &'a dyn Fn() -> PyResult<()>,
    visit: &'a mut dyn FnMut(Block) -> PyResult<bool>,
}

impl Inbox<'_, '_> {
    /// Waits a moment for a block and passes it on; false where there is no more to wait for.
    fn step(&mut self) -> PyResult<bool> {
        match self.py.detach(|| self.blocks.recv_timeout(STEP)) {
            Ok(Ok(block)) => (self.visit)(block),
            Ok(Err(error)) => Err(to_py(&error)),
            Err(RecvTimeoutError::Timeout) => (self.tick)().map(|()| true),
            Err(RecvTimeoutError::Disconnected) => Ok(false),
        }
    }

    /// Hands bytes to the reading thread, and uses the blocks that it has ready while it takes no more; false where
    /// it has ended.
    pub(crate) fn offer(&mut self, bytes: &Sender<Fed<Vec<u8>>>, mut item: Fed<Vec<u8>>) -> PyResult<bool> {
        // Never a blocking send: the reading thread may itself be waiting for this one to take a block from it.
        loop {
            match bytes.try_send(item) {
                Ok(()) => return Ok(true),
                Err(TrySendError::Disconnected(_)) => return Ok(false),
                Err(TrySendError::Full(back)) => item = back,
            }
            if !self.step()? {
                return Ok(false);
            }
        }
    }
}

/// Runs `read` on a thread of its own, where it emits blocks; they arrive on this one, which runs `feed` first.
pub(crate) fn read_ahead(
    py: Python<'_>,
    tick: &dyn Fn() -> PyResult<()>,
    visit: &mut dyn FnMut(Block) -> PyResult<bool>,
    read: impl FnOnce(&mut dyn FnMut(Block) -> una_core::Result<()>) -> una_core::Result<()> + Send,
    feed: impl FnOnce(&mut Inbox<'_, '_>) -> PyResult<()>,
) -> PyResult<()> {
    // The tokenizer may only be called with the GIL, and reading must not wait for it. So blocks are read over there,
    // two ahead at most, and used here. A waiting thread lets the GIL go for a step of time and looks at signals after
    // each, so that Ctrl-C is seen even where a stream gives nothing.
    std::thread::scope(|scope| {
        let (sender, blocks) = bounded(2);
        let read = move || {
            let mut emit = |block| sender.send(Ok(block)).map_err(|_| una_core::Error::Interrupted);
            if let Err(error) = guarded(|_| read(&mut emit), &una_core::progress::Stop::default()) {
                let _ = sender.send(Err(error)); // nobody listens any more where that fails
            }
        };
        std::thread::Builder::new().spawn_scoped(scope, read).map_err(|_| no_thread(py))?;
        // The inbox ends before the scope does, so that a reader whose blocks nobody wants ends too.
        let mut inbox = Inbox { py, blocks, tick, visit };
        feed(&mut inbox)?;
        while inbox.step()? {}
        Ok(())
    })
}
