---@meta cmd

--- Commands of the system.
---@class cmd
local cmd = {}

--- Runs `sh -c`, for at most `timeout` seconds (10): `status`, `stdout`, `stderr`. Waits.
---@param command string
---@param timeout? number
---@return {status: integer, stdout: string, stderr: string}?
---@return string? error
function cmd.exec(command, timeout) end

return cmd
