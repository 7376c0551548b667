// Answers IAM questions: a JSON list of simulations on stdin, a JSON list of verdicts on stdout.
import { readFileSync } from 'node:fs'
import { runSimulation } from '@cloud-copilot/iam-simulate'

const simulations = JSON.parse(readFileSync(0, 'utf8'))
const verdicts = []
for (const simulation of simulations) {
  const answer = await runSimulation(simulation, { simulationMode: 'Strict' })
  verdicts.push(answer.resultType === 'error' ? { error: answer.errors } : { verdict: answer.overallResult })
}
process.stdout.write(JSON.stringify(verdicts))
