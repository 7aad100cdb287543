//! The tests' engine: all kernels of a plan in one program over `tests/cuda/host.cuh`, which does as it is told on its standard
//! input.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::cuda::plan::{Argument, Kernels, Launch};

/// The program, running.
#[derive(Debug)]
pub struct HostEngine {
    child: Child,
    /// Bytes of each buffer.
    bytes: Vec<usize>,
}

impl HostEngine {
    pub fn new(kernels: &Kernels, buffers: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cuda");
        let mut text = String::from("#include \"host.cuh\"\n#include \"commands.h\"\n");
        let mut calls = String::new();
        for (index, (kernel, _)) in kernels.list.iter().enumerate() {
            for (name, value) in &kernel.defines {
                let _ = writeln!(text, "#define {name} {value}");
            }
            // A space of its own for each, and one shared memory for all.
            let mut body = kernel.text.replace("extern \"C\" ", "");
            for kind in ["float4", "uint4", "float", "double"] {
                let own = format!("extern __shared__ {kind} shared_memory[];");
                body = body
                    .replace(&own, &format!("{kind} *const shared_memory = ({kind} *)all_shared_memory;"));
            }
            if kernel.defines.iter().any(|(name, _)| *name == "BF16") {
                body = format!("#include \"host_half.h\"\n{body}");
            }
            let _ = writeln!(text, "namespace kernel_{index} {{\n{body}\n}}");
            let macros = body.lines().filter_map(|line| line.strip_prefix("#define "));
            let own = macros.filter_map(|line| line.split([' ', '(']).next());
            for name in own.chain(kernel.defines.iter().map(|(name, _)| *name)) {
                let _ = writeln!(text, "#undef {name}");
            }
            let _ =
                writeln!(calls, "case {index}: call(kernel_{index}::{}, arguments); break;", kernel.function);
        }
        let _ = writeln!(
            text,
            "static void start(int kernel, void *const *arguments) {{\nswitch (kernel) {{\n{calls}}}\n}}"
        );
        text.push_str("#include \"commands_main.h\"\n");
        let (source, program) = (folder.path().join("plan.cpp"), folder.path().join("plan"));
        std::fs::write(&source, text).unwrap();
        let mut command = Command::new("c++");
        command.args(["-O1", "-std=c++17", "-w", "-ffp-contract=off", "-DDIAPASON_HOST", "-DPLAN"]);
        command.arg("-I").arg(&assets).arg(&source).arg("-o").arg(&program);
        let done = command.output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let mut command = Command::new(&program);
        let child =
            command.arg(buffers.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        Self { child, bytes: vec![0; buffers] }
    }

    fn say(&mut self, words: &[u64], bytes: &[u8]) {
        let stdin = self.child.stdin.as_mut().unwrap();
        let words: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        stdin.write_all(&words).and_then(|()| stdin.write_all(bytes)).unwrap();
    }

    pub fn room(&mut self, buffer: usize, bytes: usize) {
        if self.bytes[buffer] < bytes {
            self.bytes[buffer] = bytes;
            self.say(&[0, buffer as u64, bytes as u64], &[]);
        }
    }

    pub fn write(&mut self, buffer: usize, bytes: &[u8]) {
        assert!(bytes.len() <= self.bytes[buffer], "buffer {buffer} has {} bytes", self.bytes[buffer]);
        self.say(&[1, buffer as u64, bytes.len() as u64], bytes);
    }

    pub fn launch(&mut self, launch: &Launch) {
        let mut words = vec![3, launch.kernel as u64];
        words.extend(launch.grid.map(|blocks| blocks as u64));
        words.extend([launch.threads as u64, launch.arguments.len() as u64]);
        for argument in &launch.arguments {
            words.extend(match *argument {
                Argument::Buffer(buffer, offset) => {
                    assert!(offset <= self.bytes[buffer], "buffer {buffer}, byte {offset}");
                    [1 + buffer as u64, offset as u64]
                }
                Argument::Nothing => [0, 0],
                Argument::Int(value) | Argument::Long(value) => [0, value as u64],
                Argument::Float(value) => [0, u64::from(value.to_bits())],
            });
        }
        self.say(&words, &[]);
    }

    pub fn read(&mut self, buffer: usize, offset: usize, len: usize) -> Vec<u8> {
        assert!(offset + len <= self.bytes[buffer], "buffer {buffer} has {} bytes", self.bytes[buffer]);
        self.say(&[2, buffer as u64, offset as u64, len as u64], &[]);
        self.child.stdin.as_mut().unwrap().flush().unwrap();
        let mut bytes = vec![0; len];
        self.child.stdout.as_mut().unwrap().read_exact(&mut bytes).unwrap();
        bytes
    }
}

impl Drop for HostEngine {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
