// Lints an OpenAPI description: node lint.js openapi.json
import core from "@redocly/openapi-core";

const { createConfig, lint } = core;
const config = await createConfig({
  extends: ["recommended-strict"],
  rules: {
    "info-license": "off", // the API is not published under one
    "operation-4xx-response": "error",
    "operation-operationId-unique": "error",
    "tag-description": "off",
  },
});
const problems = await lint({ ref: process.argv[2], config });
for (const problem of problems)
  console.error(`${problem.severity}: ${problem.ruleId}: ${problem.message} ${problem.location[0]?.pointer ?? ""}`);
process.exit(problems.length === 0 ? 0 : 1);
