---@meta cmd

--- Runs shell commands.
---@class cmd
local cmd = {}

--- Runs `sh -c` for at most `timeout` seconds (default 10). Returns `status`, `stdout` and `stderr`. Waits.
---@param command string
---@param timeout? number
---@return {status: integer, stdout: string, stderr: string}?
---@return string? error
function cmd.exec(command, timeout) end

return cmd
