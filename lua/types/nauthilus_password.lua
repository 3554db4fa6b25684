---@meta nauthilus_password

--- Compares passwords and checks password policies.
---@class nauthilus_password
local nauthilus_password = {}

--- Whether the password matches the stored value. Waits if the scheme is slow.
---@param stored string
---@param plain string
---@return boolean matched
---@return string? error
function nauthilus_password.compare_passwords(stored, plain) end

--- Whether the password satisfies the policy.
---@param policy {min_length?: number, min_lower?: number, min_upper?: number, min_number?: number, min_special?: number}
---@param password string
---@return boolean
---@return nil
function nauthilus_password.check_password_policy(policy, password) end

--- The identifier of the password in password histories: 8 hexadecimal digits.
---@param password string
---@return string
---@return nil
function nauthilus_password.generate_password_hash(password) end

return nauthilus_password
