"""zstd through ctypes, so that the tests need nothing but Python's standard library and libzstd.so.1."""
import ctypes

_lib = ctypes.CDLL("libzstd.so.1")
for _name in ("ZSTD_compress", "ZSTD_decompress", "ZSTD_compressBound"):
    getattr(_lib, _name).restype = ctypes.c_size_t
_lib.ZSTD_compressBound.argtypes = [ctypes.c_size_t]
_lib.ZSTD_compress.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int]
_lib.ZSTD_decompress.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
_lib.ZSTD_isError.argtypes = [ctypes.c_size_t]


def compress(data, level=1):
    bound = _lib.ZSTD_compressBound(len(data))
    out = ctypes.create_string_buffer(bound)
    size = _lib.ZSTD_compress(out, bound, bytes(data), len(data), level)
    assert not _lib.ZSTD_isError(size)
    return out.raw[:size]


def decompress(data, raw_bytes):
    """The unpacked bytes, or None when they are not exactly raw_bytes."""
    out = ctypes.create_string_buffer(max(raw_bytes, 1))
    size = _lib.ZSTD_decompress(out, raw_bytes, bytes(data), len(data))
    if _lib.ZSTD_isError(size) or size != raw_bytes:
        return None
    return out.raw[:size]
