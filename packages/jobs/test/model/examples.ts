import { readFileSync } from 'node:fs';

/** Texts of the user documentation, as they stand there: comments, commas, missing indentation and all. */
export const examples = {
  /** The `SlimFaas__JobsConfiguration` of the ConfigMap: `#` comments and a trailing comma. */
  configMap: readFileSync('packages/jobs/test/model/config-map.txt', 'utf8'),
  /** The configuration of "Explanation of Each Configuration Field". */
  explanation: `{
"Configurations": {
"fibonacci": {
"Image": "axaguildev/fibonacci-batch:latest",
"ImagesWhitelist": ["axaguildev/fibonacci-batch:*"],
"Resources": {
"Requests": {
"cpu": "400m",
"memory": "400Mi"
},
"Limits": {
"cpu": "400m",
"memory": "400Mi"
}
},
"DependsOn": ["fibonacci1"],
"Environments": [],
"BackoffLimit": 1,
"Visibility": "Public",
"NumberParallelJob": 2,
"TtlSecondsAfterFinished": 36000,
"RestartPolicy": "Never"
}
},
"Schedules": {
"fibonacci": [
{ "Schedule": "0 0 * * *", "Args": ["43"] }, # every day at midnight
{ "Schedule": "0 0 * * 0", "Args": ["43"] } # every Sunday at midnight
]
}
}`,
  /** The configuration of "Schedules". */
  schedulesOnly: `{
"Schedules": {
"fibonacci": [
{
"Schedule": "0 0 * * *", # Every day at midnight
"Args": ["42"]
},
{
"Schedule": "0 0 * * 0", # Every Sunday at midnight
"Args": ["42"],
"DependsOn": ["fibonacci2"]
}
]
}
}`,
  /** Body of "Example 1 (default parameters)". */
  simpleRequest: `{
"Args": ["42", "43"]
}`,
  /** Body of "Example 2 (overrides default configuration)". */
  fullRequest: `{
"Image": "axaguildev/fibonacci-batch:1.0.1", # Must match ImagesWhitelist
"Args": ["42", "43"],
"DependsOn": ["fibonacci2"], # Overrides default
"Resources": { # Cannot exceed configured limits
"Requests": { "cpu": "200m", "memory": "200Mi" },
"Limits": { "cpu": "200m", "memory": "200Mi" }
},
"Environments": [], # Override and merge with default Environments configured
"BackoffLimit": 1,
"TtlSecondsAfterFinished": 100,
"RestartPolicy": "Never"
}`,
  /** The definition of "Visibility: Public vs. Private". */
  visibilityOnly: `{
"Visibility": "Public"
}`,
  /** "Request body for POST" of a schedule: `//` comments. */
  scheduleRequest: `{
"Schedule": "0 0 * * *", // cron expression (required)
"Args": ["42", "43"], // optional
"Image": "axaguildev/fibonacci-batch:1.0.1", // optional — must be in ImagesWhitelist
"DependsOn": ["fibonacci2"],
"Resources": { // optional overrides
"Requests": {"cpu": "200m", "memory": "200Mi"},
"Limits": {"cpu": "200m", "memory": "200Mi"}
},
"Environments": [],
"BackoffLimit": 1,
"TtlSecondsAfterFinished": 100,
"RestartPolicy": "Never"
}`,
} as const;
