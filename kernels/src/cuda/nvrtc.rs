//! NVIDIA's run-time compiler, loaded when it is needed. It needs no GPU and no driver, so that tests compile every kernel for
//! every architecture on any machine.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::PathBuf;
use std::ptr;

use libloading::Library;

use super::error::CudaError;
use super::source::Kernel;

mod report;

pub use report::Report;

/// Names that the library has, newest first: what it is called says nothing about whether it will do, its version does.
const NAMES: [&str; 4] = ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so", "nvrtc64_120_0.dll"];
/// The variable that names the library's file.
pub const VARIABLE: &str = "DIAPASON_NVRTC";

type Program = *mut c_void;
type Code = c_int;

/// The loaded compiler.
#[derive(Debug)]
pub struct Nvrtc {
    library: Library,
    version: (c_int, c_int),
}

/// A kernel in machine code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// For the one architecture that was named.
    pub cubin: Vec<u8>,
    /// The same before the assembler.
    pub ptx: String,
    /// What the assembler says of registers and memory.
    pub log: String,
}

/// Declares `fn name(&self, arguments)`, which calls the function of that name in the library; `None` when it has none.
macro_rules! calls {
    ($($name:ident as $symbol:literal ( $($argument:ident : $kind:ty),* );)+) => {
        $(fn $name(&self, $($argument: $kind),*) -> Option<Code> {
            type Call = unsafe extern "C" fn($($kind),*) -> Code;
            // SAFETY: the type is that of the function in NVRTC's manual, the same since version 11.
            let call = unsafe { self.library.get::<Call>($symbol) }.ok()?;
            // SAFETY: every pointer handed on is to a live value of `compile` or `open`, which also hold the lengths.
            Some(unsafe { call($($argument),*) })
        })+
    };
}

impl Nvrtc {
    calls! {
        version_of as b"nvrtcVersion\0" (major: *mut c_int, minor: *mut c_int);
        create as b"nvrtcCreateProgram\0" (program: *mut Program, text: *const c_char, name: *const c_char, headers: c_int,
            texts: *const *const c_char, names: *const *const c_char);
        build as b"nvrtcCompileProgram\0" (program: Program, count: c_int, options: *const *const c_char);
        destroy as b"nvrtcDestroyProgram\0" (program: *mut Program);
        log_size as b"nvrtcGetProgramLogSize\0" (program: Program, size: *mut usize);
        log_text as b"nvrtcGetProgramLog\0" (program: Program, to: *mut c_char);
        ptx_size as b"nvrtcGetPTXSize\0" (program: Program, size: *mut usize);
        ptx_text as b"nvrtcGetPTX\0" (program: Program, to: *mut c_char);
        cubin_size as b"nvrtcGetCUBINSize\0" (program: Program, size: *mut usize);
        cubin_bytes as b"nvrtcGetCUBIN\0" (program: Program, to: *mut c_char);
    }

    /// Loads the library that `DIAPASON_NVRTC` names, or the one that the loader finds.
    ///
    /// # Errors
    /// [`CudaError::NoNvrtc`] where there is none, or one without the functions that are used.
    pub fn open() -> Result<Self, CudaError> {
        let tried = std::env::var_os(VARIABLE).map(PathBuf::from);
        let names = match &tried {
            Some(path) => vec![path.clone()],
            None => NAMES.map(PathBuf::from).to_vec(),
        };
        let missing = || CudaError::NoNvrtc { tried: tried.clone() };
        let load = |name: PathBuf| {
            // SAFETY: loading runs the library's constructors; NVRTC's prepare its own tables and nothing else.
            unsafe { Library::new(name) }.ok()
        };
        let library = names.into_iter().find_map(load).ok_or_else(missing)?;
        let mut nvrtc = Self { library, version: (0, 0) };
        let (mut major, mut minor) = (0, 0);
        if nvrtc.version_of(&raw mut major, &raw mut minor) != Some(0) {
            return Err(missing());
        }
        nvrtc.version = (major, minor);
        Ok(nvrtc)
    }

    /// Its version, such as 12.9.
    #[must_use]
    pub fn version(&self) -> String {
        format!("{}.{}", self.version.0, self.version.1)
    }

    /// Compiles a kernel for one architecture, such as `sm_90a`.
    ///
    /// # Errors
    /// [`CudaError::Compile`] with what the compiler says.
    pub(super) fn compile(&self, kernel: &Kernel, architecture: &str) -> Result<Compiled, CudaError> {
        let refused = |log: String| CudaError::Compile {
            version: self.version(),
            kernel: kernel.file,
            architecture: architecture.to_owned(),
            log,
        };
        let text = |text: &str| CString::new(text).map_err(|error| refused(error.to_string()));
        let (source, name) = (text(&kernel.text)?, text(kernel.file)?);
        let mut options = vec![
            text(&format!("--gpu-architecture={architecture}"))?,
            text("--std=c++17")?,
            text("--ptxas-options=-v")?,
        ];
        if !kernel.fused {
            options.push(text("--fmad=false")?);
        }
        for (name, value) in &kernel.defines {
            options.push(text(&format!("-D{name}={value}"))?);
        }
        let options: Vec<*const c_char> = options.iter().map(|option| option.as_ptr()).collect();
        let mut program: Program = ptr::null_mut();
        let nothing = ptr::null();
        let created = self.create(&raw mut program, source.as_ptr(), name.as_ptr(), 0, nothing, nothing);
        if created != Some(0) {
            return Err(refused(format!("the program cannot be made, error {created:?}")));
        }
        let built = self.build(program, c_int::try_from(options.len()).unwrap_or(0), options.as_ptr());
        let log = string(self.bytes(program, Self::log_size, Self::log_text));
        let ptx = string(self.bytes(program, Self::ptx_size, Self::ptx_text));
        let cubin = self.bytes(program, Self::cubin_size, Self::cubin_bytes);
        self.destroy(&raw mut program);
        match built {
            Some(0) if !cubin.is_empty() => Ok(Compiled { cubin, ptx, log }),
            Some(0) => Err(refused("it gives no machine code; NVRTC of CUDA 11.1 or newer does".to_owned())),
            _ => Err(refused(log)),
        }
    }

    /// What a pair of functions gives, or nothing where they fail.
    fn bytes(
        &self,
        program: Program,
        size: impl Fn(&Self, Program, *mut usize) -> Option<Code>,
        fill: impl Fn(&Self, Program, *mut c_char) -> Option<Code>,
    ) -> Vec<u8> {
        let mut len = 0;
        if size(self, program, &raw mut len) != Some(0) {
            return Vec::new();
        }
        let mut bytes = vec![0; len];
        match fill(self, program, bytes.as_mut_ptr().cast()) {
            Some(0) => bytes,
            _ => Vec::new(),
        }
    }
}

/// A C string without its end.
fn string(bytes: Vec<u8>) -> String {
    let text = CStr::from_bytes_until_nul(&bytes).map(CStr::to_string_lossy);
    text.map_or_else(|_| String::from_utf8_lossy(&bytes).into_owned(), |text| text.into_owned())
}

#[cfg(test)]
mod tests;
