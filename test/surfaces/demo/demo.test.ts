/** The demo as its user runs it, with fewer flights: processes of its own, killed by SIGKILL. */
import { execFile } from 'node:child_process'
import { existsSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { REPOSITORY } from '../../house/sources.ts'
import { childScript } from '../../support/child-scripts.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

/** The compiled command line, with `data/` where an installed package has it. */
function compiledMain(): string {
  const main = childScript('src/surfaces/cli/main.ts')
  const dataFolder = join(dirname(main), '../../../data')
  if (!existsSync(dataFolder)) symlinkSync(join(REPOSITORY, 'data'), dataFolder)
  return main
}

function run(words: readonly string[]): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  return new Promise(resolve => {
    execFile(process.execPath, [compiledMain(), ...words], { maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      resolve({ exitCode: error === null ? 0 : Number(error.code), stdout, stderr })
    })
  })
}

describe('the demo', () => {
  it('shows that nothing acknowledged is lost, and every claim it makes holds', { timeout: 60_000 }, async () => {
    const dir = join(temporaryFolder(), 'demo')
    const { exitCode, stdout, stderr } = await run(['demo', '--dir', dir, '--flights', '1500', '--json'])
    const report = JSON.parse(stdout)
    expect(report.claims.filter((claim: { holds: boolean }) => !claim.holds)).toEqual([])
    expect([exitCode, stderr]).toEqual([0, ''])
    expect(report.sent).toMatchObject({
      flights: 1500,
      acknowledged: 1500,
      lost: 0,
      unexplained: 0,
      outOfOrder: 0,
      kills: 3,
    })
    expect(report.read).toMatchObject({ unread: 0, outOfOrder: 0, lag: 0 })
    expect(report.read.messages).toBe(1500 + report.sent.duplicated)
    expect(report.recoveries).toHaveLength(3)
  })

  it('starts from nothing: a folder with something in it is refused', async () => {
    const { exitCode, stderr } = await run(['demo', '--dir', REPOSITORY])
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('is not empty')])
  })
})
