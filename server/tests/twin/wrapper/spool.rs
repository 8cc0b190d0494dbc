//! Where a wrapper keeps what nobody has acknowledged: memory stands for the file.

use saltpeter_wrapper::core::buffer::Spool;
use std::io;

#[derive(Default)]
pub(super) struct MemorySpool(Vec<u8>);

impl Spool for MemorySpool {
    fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.truncate(at as usize);
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn read(&mut self, at: u64, into: &mut [u8]) -> io::Result<()> {
        let at = at as usize;
        let kept = self.0.get(at..at + into.len());
        into.copy_from_slice(kept.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}
