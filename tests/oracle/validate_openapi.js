// SPDX-License-Identifier: Apache-2.0
// Judges the OpenAPI document on standard input: node validate_openapi.js MODULES, where MODULES is
// the folder that holds node_modules. Prints what is wrong with it; exit status 1 when something is.
'use strict';
const where = { paths: [process.argv[2]] };
const parser = require(require.resolve('@apidevtools/swagger-parser', where));

parser.validate(JSON.parse(require('fs').readFileSync(0, 'utf8'))).then(
	() => process.exit(0),
	(fault) => {
		console.log(fault.message);
		process.exit(1);
	});
