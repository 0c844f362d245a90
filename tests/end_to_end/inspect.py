#!/usr/bin/env python3
"""inspect.py - headroom-engine inspect from outside: what it prints, in which form, and how it fails."""
import json
import os
import subprocess
import sys
import tempfile

from headroomd import ENGINE, make_gguf

FIELDS = ["architecture", "name", "quantization", "parameters", "weights_bytes", "decode_bytes", "scratch_bytes", "overhead_bytes",
          "makes_text", "pooling", "takes_tools", "reasons", "fills_gaps",
          "n_ctx_train", "n_vocab", "n_layer", "n_embd", "n_head", "n_head_kv", "kv_bytes_per_token", "chat_format", "files", "file_bytes"]


def inspect(*arguments, fds=()):
    return subprocess.run([ENGINE, "inspect", *arguments], capture_output=True, text=True, pass_fds=fds)


def summary(*arguments, fds=()):
    done = inspect("--json", "--summary", *arguments, fds=fds)
    assert done.returncode == 0 and done.stderr == "", done
    return json.loads(done.stdout)


def refused(*arguments, code=1, says=""):
    done = inspect(*arguments)
    lines = done.stderr.splitlines()
    assert done.returncode == code and len(lines) == 1 and done.stdout == "", done
    assert lines[0].startswith("headroom-engine inspect: ") and says in lines[0], lines
    return lines[0]


def test_one_file(folder):
    path = os.path.join(folder, "one.gguf")
    make_gguf(path, "--type", "q8_0", "--layers", "3", "--ctx", "1024")
    told = summary(path)
    assert list(sorted(told)) == sorted(FIELDS), told
    assert told["quantization"] == "Q8_0" and told["n_layer"] == 3 and told["n_ctx_train"] == 1024 and told["files"] == 1
    assert told["file_bytes"] == os.path.getsize(path)
    # 3 layers, 2 heads of 64 values for keys and as many for values
    assert told["kv_bytes_per_token"] == {"f16": 3 * 2 * 128 * 2, "q8_0": 3 * 2 * 128 // 32 * 34, "q4_0": 3 * 2 * 128 // 32 * 18}
    assert summary(path, "--parallel", "8")["scratch_bytes"] > told["scratch_bytes"]
    assert summary(path, "--threads", "64")["scratch_bytes"] > summary(path, "--threads", "1")["scratch_bytes"]

    whole = json.loads(inspect("--json", path).stdout)
    assert whole["metadata"]["llama.block_count"] == 3
    assert whole["metadata"]["tokenizer.ggml.tokens"] == {"type": "string", "count": told["n_vocab"]}
    assert len(whole["tensors"]) == 2 + 3 * 9
    assert sum(t["bytes"] for t in whole["tensors"]) == told["weights_bytes"]
    first = whole["tensors"][0]
    assert first == {"name": "token_embd.weight", "type": "Q8_0", "dims": [256, 512], "bytes": 512 * 256 // 32 * 34}

    text = inspect(path).stdout
    assert "footprint" in text and "blk.2.ffn_down.weight" in text and "llama.context_length" in text
    return path


def test_split(folder):
    path = os.path.join(folder, "split.gguf")
    make_gguf(path, "--split", "3")
    parts = [os.path.join(folder, "split-%05d-of-00003.gguf" % (i + 1)) for i in range(3)]
    told = [summary(part) for part in parts]
    assert told[0] == told[1] == told[2] and told[0]["files"] == 3
    assert told[0]["file_bytes"] == sum(os.path.getsize(part) for part in parts)

    fds = [os.open(part, os.O_RDONLY) for part in parts]
    by_fd = summary(*[a for fd in fds for a in ("--fd", str(fd))], fds=fds)
    assert by_fd == told[0]
    done = inspect("--fd", str(fds[1]), fds=fds)
    assert done.returncode == 1 and "split" in done.stderr, done
    for fd in fds:
        os.close(fd)
    os.rename(parts[1], parts[1] + ".away")
    refused(parts[0], says="00002-of-00003.gguf: No such file")


def test_unsupported(folder, good):
    """Whole, but nothing for this engine: told about, with the reason."""
    path = os.path.join(folder, "other.gguf")
    with open(good, "rb") as file:
        bytes_ = file.read()
    with open(path, "wb") as file:
        file.write(bytes_.replace(b"llama", b"llamb"))
    told = summary(path)
    assert told["unsupported"].startswith("architecture 'llamb' is not supported: these are: llama, "), told
    assert told["architecture"] == "llamb", told
    done = inspect(path)
    assert done.returncode == 0 and "cannot be run" in done.stdout and "blk.0.attn_q.weight" in done.stdout, done


def test_failures(folder, good):
    refused(os.path.join(folder, "absent.gguf"), says="No such file")
    refused(folder, says="directory")
    refused("/dev/null", says="no regular file")
    empty = os.path.join(folder, "empty.gguf")
    open(empty, "w").close()
    refused(empty, says="empty")
    cut = os.path.join(folder, "cut.gguf")
    with open(good, "rb") as file, open(cut, "wb") as out:
        out.write(file.read()[:-4096])
    size = os.path.getsize(good)
    refused(cut, says=f"it is cut off: {size - 4096} of {size} bytes")
    steering = os.path.join(folder, "a\033[2Jb\n.gguf")
    assert "\033" not in refused(steering, says="No such file")
    refused("x-00004-of-00003.gguf", says="no split model")
    refused(code=2)
    refused(good, good, code=2)
    refused("--unknown", good, code=2, says="--unknown")
    refused("--threads", "0", good, code=2, says="--threads: '0' is not a possible value")
    assert inspect("--help").returncode == 0


def main():
    with tempfile.TemporaryDirectory() as folder:
        good = test_one_file(folder)
        test_split(folder)
        test_unsupported(folder, good)
        test_failures(folder, good)
    print("inspect: all as expected")
    return 0


if __name__ == "__main__":
    sys.exit(main())
