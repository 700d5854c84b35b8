/** Command lines of random words: they end with an exit code of the four, and never with a stack trace. */
import fc from 'fast-check'
import { COMMANDS } from '../../src/surfaces/cli/commands.ts'
import { pocketmq } from '../surfaces/run-command.ts'

const NASTY = [
  '',
  ' ',
  '-',
  '--',
  '---',
  '-x',
  '--no',
  '--json',
  '--json=1',
  '--help',
  '\u0000',
  '\ud800',
  '__proto__',
  '..',
]
const NUMBERS = ['0', '-1', '1e9', 'NaN', 'Infinity', '9007199254740993', '1.5', '0x10', '1ms', '-5s', '99999d', '']
/** They wait for what comes, or measure for minutes. */
const ENDLESS = /^(?:consume|bench|demo|peek|stats)$/

/** Command lines; `dir` and other folders stand where a folder may. */
export function commandLines(dirs: readonly string[]): fc.Arbitrary<string[]> {
  const names = COMMANDS.map(({ usage }) => usage.split(/ (?=[<[])/)[0] ?? '').filter(name => !ENDLESS.test(name))
  const options = COMMANDS.flatMap(({ required = [], options = [] }) =>
    [...required, ...options].map(([flags]) => flags),
  )
  const word = fc.oneof(
    fc.constantFrom(...dirs),
    fc.constantFrom(...NASTY, ...NUMBERS, 'orders', 'TopicTest', '%RETRY%g', 'a'.repeat(300)),
    fc.constantFrom(...options.map(flags => /--[a-z-]+/.exec(flags)?.[0] ?? flags)),
    // No path of its own: commands make folders where they are told to.
    fc.string({ maxLength: 12 }).filter(one => !one.includes('/')),
  )
  return fc
    .tuple(fc.constantFrom(...names, 'no-such-command', ''), fc.array(word, { maxLength: 5 }))
    .map(([name, words]) => [...name.split(' '), ...words].filter((_, i) => i > 0 || name !== ''))
}

/** What is wrong with how the command line ends; undefined where nothing is. */
export async function troubleWithLine(words: readonly string[]): Promise<string | undefined> {
  const { exitCode, stderr, stdout } = await pocketmq(words, { signal: AbortSignal.timeout(5000) })
  if (![0, 1, 2, 3].includes(exitCode)) return `exit code ${exitCode}`
  if (/\n\s+at .*[:(]\d+/.test(`\n${stderr}\n${stdout}`)) return stderr
  return exitCode >= 2 && stderr === '' && stdout === '' ? `exit code ${exitCode} without a word` : undefined
}
