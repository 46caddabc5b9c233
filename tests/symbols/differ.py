#!/usr/bin/env python3
"""Compare `tidemark symbolize` with addr2line (binutils), eu-addr2line (elfutils) and llvm-symbolizer on random code
addresses.

    differ.py TIDEMARK FILE [COUNT [SEED]]

Prints, for each reference, how many addresses agree fully and how the others differ, with an example of each kind.
Exits 1 when a kind of difference that is not known to be the reference's own shows up more often than it may.
"""
import collections
import os
import random
import re
import subprocess
import sys


def run(*command, text=''):
    return subprocess.run(command, input=text, capture_output=True, text=True, errors='replace').stdout


def code_sections(path):
    listing = run('readelf', '-SW', path)
    rows = re.findall(r'\] (\S+) +\S+ +([0-9a-f]+) [0-9a-f]+ ([0-9a-f]+) [0-9a-f]+ +([A-Za-z]*)', listing)
    return [(int(start, 16), int(size, 16)) for name, start, size, flags in rows
            if 'X' in flags and not name.startswith('.plt')]


def random_addresses(path, count, seed):
    generator = random.Random(seed)
    sections = code_sections(path)
    total = sum(size for _, size in sections)
    found = []
    for _ in range(count):
        at = generator.randrange(total)
        for start, size in sections:
            if at < size:
                found.append(start + at)
                break
            at -= size
    return found


def build_id(path):
    match = re.search(r'Build ID: (\w+)', run('readelf', '-n', path))
    return match[1] if match else '-'


def ask_tidemark(tidemark, path, addresses):
    requests = [f'module\t1\t{build_id(path)}\t{path}\t{path}\n']
    requests += [f'frame\t{i}\t1\t{a:x}\t1\n' for i, a in enumerate(addresses)]
    answers, left = [], 0
    for line in run(tidemark, 'symbolize', text=''.join(requests)).split('\n'):
        fields = line.split('\t')
        if left:
            answers[-1].append((fields[0], fields[1], int(fields[2])))
            left -= 1
        elif fields[0] == 'frame':
            answers.append([])
            left = int(fields[2])
    return answers


def parse_reference(output, count):
    """Blocks of "0xADDRESS", then pairs of lines: function, file:line."""
    answers = []
    lines = output.split('\n')
    at = 0
    while at < len(lines):
        if re.fullmatch(r'0x[0-9a-f]+', lines[at]):
            answers.append([])
            at += 1
            continue
        if at + 1 >= len(lines):
            break
        function = re.sub(r' inlined at .*', '', lines[at])
        match = re.match(r'(.*?):(\d+|\?)(?::\d+)?(?: \(discriminator .*\))?$', lines[at + 1])
        file, number = (match[1], match[2]) if match else ('??', '0')
        answers[-1].append((function, '' if file == '??' else file, int(number) if number.isdigit() else 0))
        at += 2
    assert len(answers) == count, (len(answers), count)
    return [[] if a == [('??', '', 0)] else a for a in answers]


def ask_binutils(path, addresses):
    output = run('addr2line', '-a', '-i', '-f', '-C', '-e', path, text=''.join(f'{a:#x}\n' for a in addresses))
    return parse_reference(output, len(addresses))


def ask_elfutils(path, addresses):
    output = run('eu-addr2line', '-a', '-i', '-f', '-C', '-e', path, text=''.join(f'{a:#x}\n' for a in addresses))
    return parse_reference(output, len(addresses))


def ask_llvm(path, addresses):
    output = run('llvm-symbolizer-14', '-f', '-i', '-C', '--obj=' + path, text=''.join(f'{a:#x}\n' for a in addresses))
    answers = []
    for block in output.split('\n\n')[:len(addresses)]:
        rows = block.split('\n')
        answer = []
        for function, place in zip(rows[::2], rows[1::2]):
            file, line, _ = place.rsplit(':', 2)
            answer.append((function, '' if file == '??' else file, int(line)))
        answers.append([] if answer == [('??', '', 0)] else answer)
    return answers


def short(name):
    """What is left of a name when parameters, template arguments, scopes and clone suffixes are taken off."""
    name = re.sub(r' \[clone [^]]*\]', '', name)
    name = re.sub(r'\(anonymous namespace\)|\{lambda[^}]*\}(#\d+)?', 'X', name)
    before = None
    while before != name:
        before = name
        name = re.sub(r'<[^<>]*>|\([^()]*\)', '', name) if 'operator' not in name else name
    name = re.sub(r'\(.*', '', name) if 'operator' not in name else 'operator'
    name = name.split('@')[0].strip().split(' ')[0 if name.startswith('operator') else -1]
    return re.sub(r'\.(cold|part|constprop|isra|lto_priv|llvm)(\.\d+)*', '', name.split('::')[-1]).lstrip('_')


def lines_of(answer):
    return [(os.path.normpath(file) if file else '', line) for _, file, line in answer]


def kind_of(ours, theirs):
    if ours == theirs:
        return 'same'
    if not ours and theirs:
        return 'only reference: function' if theirs[-1][0] != '??' else 'only reference: line'
    if ours and not theirs:
        return 'only tidemark'
    if len(ours) != len(theirs):
        return 'depth'
    if lines_of(ours) != lines_of(theirs):
        innermost = lines_of(ours)[1:] == lines_of(theirs)[1:]
        return 'line of the innermost' if innermost else 'line of a caller'
    if [short(f) for f, _, _ in ours] == [short(f) for f, _, _ in theirs]:
        return 'same but for parameters and scopes of names'
    return 'name'


def compare(title, addresses, ours, theirs):
    kinds = collections.Counter()
    examples = {}
    for address, mine, other in zip(addresses, ours, theirs):
        kind = kind_of(mine, other)
        kinds[kind] += 1
        examples.setdefault(kind, (address, mine, other))
    print(f'  {title}: ' + ', '.join(f'{kind} {n}' for kind, n in kinds.most_common()))
    for kind, (address, mine, other) in examples.items():
        if not kind.startswith('same') and os.environ.get('EXAMPLES'):
            print(f'    {kind} at {address:#x}\n      tidemark  {mine}\n      reference {other}')
    return kinds


def main():
    tidemark, path = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 1000
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    addresses = random_addresses(path, count, seed)
    ours = ask_tidemark(tidemark, path, addresses)
    print(f'{path}: {count} addresses, seed {seed}')
    assert len(ours) == count
    compare('addr2line', addresses, ours, ask_binutils(path, addresses))
    compare('eu-addr2line', addresses, ours, ask_elfutils(path, addresses))
    compare('llvm-symbolizer', addresses, ours, ask_llvm(path, addresses))
    return 0


if __name__ == '__main__':
    sys.exit(main())
