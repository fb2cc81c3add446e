//! The wire format of protocol buffers, as far as event files need it, and the frames around their records.
//!
//! Sources: "Protocol buffers: encoding" (tags are `field << 3 | type`; type 0: varint, 1: 64 bits, 2: bytes
//! with their length, 5: 32 bits); TensorFlow `core/lib/io/record_writer.h` and RFC 3720, appendix B.4, for
//! CRC-32C.

/// A message under construction.
#[derive(Debug, Default)]
pub(super) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    pub(super) fn new() -> Self {
        Self::default()
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    pub(super) fn int(mut self, field: u64, value: u64) -> Self {
        self.varint(field << 3);
        self.varint(value);
        self
    }

    pub(super) fn double(mut self, field: u64, value: f64) -> Self {
        self.varint(field << 3 | 1);
        self.bytes.extend(value.to_le_bytes());
        self
    }

    pub(super) fn float(mut self, field: u64, value: f32) -> Self {
        self.varint(field << 3 | 5);
        self.bytes.extend(value.to_le_bytes());
        self
    }

    /// Bytes, a string, or the bytes of a message.
    pub(super) fn data(mut self, field: u64, data: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(data.len() as u64);
        self.bytes.extend(data);
        self
    }

    pub(super) fn message(self, field: u64, message: Message) -> Self {
        self.data(field, &message.bytes)
    }

    /// Packed doubles.
    pub(super) fn doubles(self, field: u64, values: impl Iterator<Item = f64>) -> Self {
        let data: Vec<u8> = values.flat_map(f64::to_le_bytes).collect();
        self.data(field, &data)
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// A record: its length and bytes, each with a masked check sum.
pub(super) fn framed(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut out = Vec::with_capacity(data.len() + 16);
    out.extend(length);
    out.extend(masked(crc32c(&length)).to_le_bytes());
    out.extend(data);
    out.extend(masked(crc32c(data)).to_le_bytes());
    out
}

/// A check sum of data that may themselves hold check sums.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The remainders of all bytes for the reflected polynomial of Castagnoli.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

fn crc32c(data: &[u8]) -> u32 {
    !data.iter().fold(!0, |crc, &byte| crc >> 8 ^ TABLE[(crc as u8 ^ byte) as usize])
}

#[cfg(test)]
mod tests {
    use super::{Message, crc32c, framed, masked};

    #[test]
    fn crc_of_rfc_3720() {
        let rising: Vec<u8> = (0..32).collect();
        let falling: Vec<u8> = (0..32).rev().collect();
        let table: [(&[u8], u32); 6] = [
            (b"", 0),
            (b"123456789", 0xe306_9283),
            (&[0; 32], 0x8a91_36aa),
            (&[0xff; 32], 0x62a8_ab43),
            (&rising, 0x46dd_794e),
            (&falling, 0x113f_db5c),
        ];
        for (data, crc) in table {
            assert_eq!(crc32c(data), crc, "{data:?}");
        }
    }

    #[test]
    fn numbers_of_the_encoding_guide() {
        assert_eq!(Message::new().int(1, 150).into_bytes(), [0x08, 0x96, 0x01]);
        assert_eq!(
            Message::new().data(2, b"testing").into_bytes(),
            [0x12, 7, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67]
        );
        let inner = Message::new().int(1, 150);
        assert_eq!(Message::new().message(3, inner).into_bytes(), [0x1a, 3, 0x08, 0x96, 0x01]);
        assert_eq!(Message::new().float(2, 1.0).into_bytes(), [0x15, 0, 0, 0x80, 0x3f]);
        assert_eq!(Message::new().int(2, u64::MAX).into_bytes().len(), 11);
    }

    #[test]
    fn frames_hold_length_and_sums() {
        let frame = framed(b"abc");
        assert_eq!(frame.len(), 8 + 4 + 3 + 4);
        assert_eq!(frame[..8], [3, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(frame[8..12], masked(crc32c(&frame[..8])).to_le_bytes());
        assert_eq!(frame[15..], masked(crc32c(b"abc")).to_le_bytes());
    }
}
