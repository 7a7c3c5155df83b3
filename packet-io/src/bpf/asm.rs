//! As much of a BPF assembler as our programs need: instructions by name, jumps by label.
//!
//! An instruction is 8 bytes: operation, registers (destination low, source high), jump or memory offset, immediate (kernel
//! documentation, "BPF Instruction Set").

/// A register. R10 is the frame's end, read only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reg {
    R0 = 0,
    R1,
    R2,
    R3,
    R4,
    R6 = 6,
    R7,
    R8,
    R9,
    Frame,
}

/// Width of a load or store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    Word = 0x00,
    Half = 0x08,
    Byte = 0x10,
    Double = 0x18,
}

/// What an operation does with its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Add = 0x00,
    Sub = 0x10,
    Mul = 0x20,
    Or = 0x40,
    And = 0x50,
    ShiftLeft = 0x60,
    ShiftRight = 0x70,
    Xor = 0xa0,
    Move = 0xb0,
}

/// When a jump is taken: destination against source, unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Equal = 0x10,
    Greater = 0x20,
    NotEqual = 0x50,
    AtMost = 0xb0,
}

/// A place to jump to, forward only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Label(usize);

const CLASS_LOAD_IMMEDIATE: u8 = 0x18;
const CLASS_LOAD: u8 = 0x61;
const CLASS_STORE_IMMEDIATE: u8 = 0x62;
const CLASS_STORE: u8 = 0x63;
const CLASS_ALU_32: u8 = 0x04;
const CLASS_JUMP: u8 = 0x05;
const CLASS_ALU: u8 = 0x07;
/// The operand is a register, not the immediate.
const BY_REGISTER: u8 = 0x08;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;
const ATOMIC_ADD_DOUBLE: u8 = 0xdb;
/// The immediate of a double load is a map's descriptor.
const IS_MAP: u8 = 1;

/// A program in the making.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    code: Vec<u64>,
    /// Where each label stands, once it does.
    labels: Vec<Option<usize>>,
    /// Jumps that wait for their label.
    open: Vec<(usize, Label)>,
}

impl Assembler {
    fn push(&mut self, code: u8, to: Reg, from: u8, offset: i16, immediate: i32) {
        let registers = u64::from(from) << 12 | (to as u64) << 8;
        let rest = u64::from(offset as u16) << 16 | u64::from(immediate as u32) << 32;
        self.code.push(u64::from(code) | registers | rest);
    }

    /// `to = to OP value`
    pub fn op(&mut self, op: Op, to: Reg, value: i32) {
        self.push(CLASS_ALU | op as u8, to, 0, 0, value);
    }

    /// `to = to OP from`
    pub fn op_reg(&mut self, op: Op, to: Reg, from: Reg) {
        let code = CLASS_ALU | BY_REGISTER | op as u8;
        self.push(code, to, from as u8, 0, 0);
    }

    /// The same in 32 bits; the upper half of `to` becomes 0.
    pub fn op_reg_32(&mut self, op: Op, to: Reg, from: Reg) {
        let code = CLASS_ALU_32 | BY_REGISTER | op as u8;
        self.push(code, to, from as u8, 0, 0);
    }

    /// `to = value`, all 64 bits.
    pub fn set(&mut self, to: Reg, value: u64) {
        self.push(CLASS_LOAD_IMMEDIATE, to, 0, 0, value as i32);
        self.push(0, Reg::R0, 0, 0, (value >> 32) as i32);
    }

    /// `to =` the map with this descriptor.
    pub fn set_map(&mut self, to: Reg, map: i32) {
        self.push(CLASS_LOAD_IMMEDIATE, to, IS_MAP, 0, map);
        self.push(0, Reg::R0, 0, 0, 0);
    }

    /// `to = *(base + offset)`
    pub fn load(&mut self, width: Width, to: Reg, base: Reg, offset: i16) {
        self.push(CLASS_LOAD | width as u8, to, base as u8, offset, 0);
    }

    /// `*(base + offset) = from`
    pub fn store(&mut self, width: Width, base: Reg, offset: i16, from: Reg) {
        self.push(CLASS_STORE | width as u8, base, from as u8, offset, 0);
    }

    /// `*(base + offset) = value`
    pub fn store_value(&mut self, width: Width, base: Reg, offset: i16, value: i32) {
        self.push(CLASS_STORE_IMMEDIATE | width as u8, base, 0, offset, value);
    }

    /// `*(base + offset) += from`, 64 bits, atomically.
    pub fn atomic_add(&mut self, base: Reg, offset: i16, from: Reg) {
        self.push(ATOMIC_ADD_DOUBLE, base, from as u8, offset, 0);
    }

    /// Calls a helper: arguments in R1 to R5, which are lost, answer in R0.
    pub fn call(&mut self, helper: i32) {
        self.push(CALL, Reg::R0, 0, 0, helper);
    }

    /// Ends the program with what is in R0.
    pub fn exit_with_r0(&mut self) {
        self.push(EXIT, Reg::R0, 0, 0, 0);
    }

    /// Ends the program with R0 = `answer`.
    pub fn exit(&mut self, answer: i32) {
        self.op(Op::Move, Reg::R0, answer);
        self.exit_with_r0();
    }

    /// A label that will be placed later.
    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// The label stands here.
    pub fn place(&mut self, label: Label) {
        self.labels[label.0] = Some(self.code.len());
    }

    /// Jumps if `a` WHEN `value`.
    pub fn jump_if(&mut self, when: When, a: Reg, value: i32, label: Label) {
        self.open.push((self.code.len(), label));
        self.push(CLASS_JUMP | when as u8, a, 0, 0, value);
    }

    /// Jumps if `a` WHEN `b`.
    pub fn jump_if_reg(&mut self, when: When, a: Reg, b: Reg, label: Label) {
        self.open.push((self.code.len(), label));
        let code = CLASS_JUMP | BY_REGISTER | when as u8;
        self.push(code, a, b as u8, 0, 0);
    }

    /// Jumps.
    pub fn jump(&mut self, label: Label) {
        self.open.push((self.code.len(), label));
        self.push(CLASS_JUMP, Reg::R0, 0, 0, 0);
    }

    /// The finished program.
    ///
    /// # Panics
    /// If a label was never placed, which every run would show: programs don't depend on input.
    pub fn finish(mut self) -> Vec<u64> {
        for (at, label) in self.open {
            let target = self.labels[label.0].expect("every label is placed");
            let distance = (target as i64 - at as i64 - 1) as i16;
            self.code[at] |= u64::from(distance as u16) << 16;
        }
        self.code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against bytes that clang and the kernel's documentation give.
    #[test]
    fn instructions_have_the_documented_bytes() {
        let mut code = Assembler::default();
        let end = code.label();
        code.op_reg(Op::Move, Reg::R6, Reg::R1);
        code.op(Op::Add, Reg::R2, -8);
        code.load(Width::Double, Reg::R0, Reg::Frame, -24);
        code.jump_if(When::NotEqual, Reg::R0, 0, end);
        code.call(1);
        code.place(end);
        code.exit(0);
        let expected: [u64; 7] = [
            0x0000_0000_0000_16bf,
            0xffff_fff8_0000_0207,
            0x0000_0000_ffe8_a079,
            0x0000_0000_0001_0055,
            0x0000_0001_0000_0085,
            0x0000_0000_0000_00b7,
            0x0000_0000_0000_0095,
        ];
        assert_eq!(code.finish(), expected);
    }
}
