#!/usr/bin/env python3
"""Compare `tidemark symbolize` with addr2line (binutils), eu-addr2line (elfutils) and llvm-symbolizer on random code
addresses.

    differ.py TIDEMARK FILE [COUNT [SEED]]

Prints, for each reference, how many addresses agree fully and how the others differ, with an example of each kind.
What they are known to do otherwise:
  padding between functions   they name the function before it, tidemark none
  file without a line         from the symbol table's file symbols
  addr2line                   names a C++ function without a linker name after its caller, and loses inlined calls of
                              clang's DWARF 5
  eu-addr2line                loses inlined calls that have several ranges, and finds nothing where .debug_aranges is
                              missing (clang leaves it out): not asked then
  llvm-symbolizer             names such functions without scopes and parameters
"""
import collections
import os
import random
import re
import shutil
import subprocess
import sys

from ask import EXACT, look_up


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
    if [(f or g, n) for (f, n), (g, _) in zip(lines_of(ours), lines_of(theirs))] == lines_of(theirs):
        if lines_of(ours) != lines_of(theirs):
            return 'file of a symbol, without a line'
    if lines_of(ours) != lines_of(theirs):
        innermost = lines_of(ours)[1:] == lines_of(theirs)[1:]
        return 'line of the innermost' if innermost else 'line of a caller'
    if [short(f) for f, _, _ in ours] == [short(f) for f, _, _ in theirs]:
        return 'same but for parameters and scopes of names'
    return 'name'


def code_ranges(path):
    """Where functions are, by the symbol table and by the debug information: what lies outside is padding."""
    found = []
    for line in run('readelf', '-sW', path).split('\n'):
        fields = line.split()
        if len(fields) > 3 and fields[3] in ('FUNC', 'IFUNC') and fields[0].endswith(':'):
            start, size = int(fields[1], 16), int(fields[2], 0)
            found.append((start, start + size))
    return found


def compare(addresses, ours, theirs, ranges):
    """How often each kind of difference occurs, and one example of each."""
    kinds, examples = collections.Counter(), {}
    for address, mine, other in zip(addresses, ours, theirs):
        kind = kind_of(mine, other)
        if kind.startswith('only reference') and not any(start <= address < end for start, end in ranges):
            kind = 'padding between functions'
        kinds[kind] += 1
        examples.setdefault(kind, f'{kind} at {address:#x}: tidemark {mine}, reference {other}')
    return kinds, examples


def has_section(path, name):
    return f' {name} ' in run('readelf', '-SW', path)


REFERENCES = {'addr2line': ask_binutils, 'eu-addr2line': ask_elfutils, 'llvm-symbolizer-14': ask_llvm}


def differ(tidemark, path, count=1000, seed=1):
    """For each reference that is installed: its name, kinds, examples."""
    addresses = random_addresses(path, count, seed)
    ours, _ = look_up(tidemark, path, addresses, flags=EXACT)
    ranges = code_ranges(path)
    for name, ask in REFERENCES.items():
        if name == 'eu-addr2line' and not has_section(path, '.debug_aranges'):
            continue
        if shutil.which(name):
            yield name, *compare(addresses, ours, ask(path, addresses), ranges)


def main():
    tidemark, path = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 1000
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    print(f'{path}: {count} addresses, seed {seed}')
    for name, kinds, examples in differ(tidemark, path, count, seed):
        print(f'  {name}: ' + ', '.join(f'{kind} {n}' for kind, n in kinds.most_common()))
        for kind, example in examples.items():
            if not kind.startswith('same'):
                print('    ' + example)


if __name__ == '__main__':
    main()
