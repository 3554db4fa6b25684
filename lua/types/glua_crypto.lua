---@meta glua_crypto

-- Another name for crypto.
return require("crypto")
