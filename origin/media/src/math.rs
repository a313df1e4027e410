//! Vectors and elementary functions with the same bits on every machine.
//!
//! `f32::sin` and its family call the platform's mathematical library, whose last bit differs between systems.
//! Generated files are named by their hash, so everything here is built from operations that IEEE 754 fixes
//! (add, multiply, divide, square root).

use std::ops::Add;
use std::ops::AddAssign;
use std::ops::Mul;
use std::ops::Neg;
use std::ops::Sub;

/// Half a turn, in radians.
pub const PI: f32 = std::f32::consts::PI;
/// A whole turn, in radians.
pub const TAU: f32 = std::f32::consts::TAU;

/// A point, direction or linear colour.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Vec3 {
    /// Right, in metres, or red.
    pub x: f32,
    /// Up, in metres, or green.
    pub y: f32,
    /// Towards the viewer, in metres, or blue.
    pub z: f32,
}

/// Makes a [`Vec3`].
#[must_use]
pub const fn vec3(x: f32, y: f32, z: f32) -> Vec3 {
    Vec3 { x, y, z }
}

impl Vec3 {
    /// The origin, or black.
    pub const ZERO: Self = vec3(0.0, 0.0, 0.0);
    /// To the right.
    pub const X: Self = vec3(1.0, 0.0, 0.0);
    /// Up.
    pub const Y: Self = vec3(0.0, 1.0, 0.0);
    /// Towards the viewer.
    pub const Z: Self = vec3(0.0, 0.0, 1.0);

    /// All three components the same.
    #[must_use]
    pub const fn splat(v: f32) -> Self {
        vec3(v, v, v)
    }

    /// The scalar product.
    #[must_use]
    pub fn dot(self, o: Self) -> f32 {
        self.x * o.x + self.y * o.y + self.z * o.z
    }

    /// The vector product.
    #[must_use]
    pub fn cross(self, o: Self) -> Self {
        vec3(self.y * o.z - self.z * o.y, self.z * o.x - self.x * o.z, self.x * o.y - self.y * o.x)
    }

    /// The length, in the unit of the components.
    #[must_use]
    pub fn length(self) -> f32 {
        self.dot(self).sqrt()
    }

    /// The same direction with length one; up for a vector without length.
    #[must_use]
    pub fn normalized(self) -> Self {
        let length = self.length();
        if length > 1e-12 { self * (1.0 / length) } else { Self::Y }
    }

    /// The lower of each component.
    #[must_use]
    pub fn min(self, o: Self) -> Self {
        vec3(self.x.min(o.x), self.y.min(o.y), self.z.min(o.z))
    }

    /// The higher of each component.
    #[must_use]
    pub fn max(self, o: Self) -> Self {
        vec3(self.x.max(o.x), self.y.max(o.y), self.z.max(o.z))
    }

    /// The component-wise product.
    #[must_use]
    pub fn scale(self, o: Self) -> Self {
        vec3(self.x * o.x, self.y * o.y, self.z * o.z)
    }

    /// The way from here (`t` = 0) to `o` (`t` = 1).
    #[must_use]
    pub fn lerp(self, o: Self, t: f32) -> Self {
        self + (o - self) * t
    }

    /// Turned about `axis` (of length one) by `angle` radians, right-handed.
    #[must_use]
    pub fn rotated(self, axis: Self, angle: f32) -> Self {
        let (s, c) = (sin(angle), cos(angle));
        self * c + axis.cross(self) * s + axis * (axis.dot(self) * (1.0 - c))
    }

    /// The components in order.
    #[must_use]
    pub const fn to_array(self) -> [f32; 3] {
        [self.x, self.y, self.z]
    }

    /// A direction at a right angle to this one.
    #[must_use]
    pub fn perpendicular(self) -> Self {
        let other = if self.x.abs() < 0.8 { Self::X } else { Self::Y };
        self.cross(other).normalized()
    }
}

impl Add for Vec3 {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        vec3(self.x + o.x, self.y + o.y, self.z + o.z)
    }
}

impl AddAssign for Vec3 {
    fn add_assign(&mut self, o: Self) {
        *self = *self + o;
    }
}

impl Sub for Vec3 {
    type Output = Self;
    fn sub(self, o: Self) -> Self {
        vec3(self.x - o.x, self.y - o.y, self.z - o.z)
    }
}

impl Mul<f32> for Vec3 {
    type Output = Self;
    fn mul(self, k: f32) -> Self {
        vec3(self.x * k, self.y * k, self.z * k)
    }
}

impl Neg for Vec3 {
    type Output = Self;
    fn neg(self) -> Self {
        vec3(-self.x, -self.y, -self.z)
    }
}

/// Sine and cosine of `x` radians.
fn sin_cos(x: f64) -> (f64, f64) {
    const HALF_PI: f64 = std::f64::consts::FRAC_PI_2;
    let quarter = (x / HALF_PI).round();
    let r = x - quarter * HALF_PI;
    let r2 = r * r;
    let s = r
        * (1.0
            - r2 / 6.0
                * (1.0
                    - r2 / 20.0
                        * (1.0
                            - r2 / 42.0
                                * (1.0 - r2 / 72.0 * (1.0 - r2 / 110.0 * (1.0 - r2 / 156.0))))));
    let c = 1.0
        - r2 / 2.0
            * (1.0
                - r2 / 12.0
                    * (1.0
                        - r2 / 30.0 * (1.0 - r2 / 56.0 * (1.0 - r2 / 90.0 * (1.0 - r2 / 132.0)))));
    match (quarter as i64).rem_euclid(4) {
        0 => (s, c),
        1 => (c, -s),
        2 => (-s, -c),
        _ => (-c, s),
    }
}

/// The sine of `x` radians.
#[must_use]
pub fn sin(x: f32) -> f32 {
    sin_cos(f64::from(x)).0 as f32
}

/// The cosine of `x` radians.
#[must_use]
pub fn cos(x: f32) -> f32 {
    sin_cos(f64::from(x)).1 as f32
}

/// The tangent of `x` radians.
#[must_use]
pub fn tan(x: f32) -> f32 {
    let (s, c) = sin_cos(f64::from(x));
    (s / c) as f32
}

/// `e` to the power `x`; saturates at 0 below -700 and at e^700 above 700.
fn exp_f64(x: f64) -> f64 {
    if x < -700.0 {
        return 0.0;
    }
    let x = x.min(700.0);
    let k = (x / std::f64::consts::LN_2).round();
    let r = x - k * std::f64::consts::LN_2;
    let mut term = 1.0;
    let mut sum = 1.0;
    for i in 1..16 {
        term *= r / f64::from(i);
        sum += term;
    }
    sum * f64::from_bits(((k as i64 + 1023) as u64) << 52)
}

/// The natural logarithm of a positive number; very negative for anything else.
fn ln_f64(x: f64) -> f64 {
    if x <= 1e-300 {
        return -700.0;
    }
    let bits = x.to_bits();
    let mut exponent = ((bits >> 52) & 0x7ff) as i64 - 1023;
    let mut mantissa = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | (1023 << 52));
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        exponent += 1;
    }
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let s2 = s * s;
    let mut term = s;
    let mut sum = 0.0;
    for i in 0..12 {
        sum += term / f64::from(2 * i + 1);
        term *= s2;
    }
    2.0 * sum + exponent as f64 * std::f64::consts::LN_2
}

/// `e` to the power `x`.
#[must_use]
pub fn exp(x: f32) -> f32 {
    exp_f64(f64::from(x)) as f32
}

/// The natural logarithm of a positive number.
#[must_use]
pub fn ln(x: f32) -> f32 {
    ln_f64(f64::from(x)) as f32
}

/// `x` to the power `y` for `x` ≥ 0.
#[must_use]
pub fn pow(x: f32, y: f32) -> f32 {
    if x <= 0.0 { 0.0 } else { exp_f64(f64::from(y) * ln_f64(f64::from(x))) as f32 }
}

/// From 0 at `a` to 1 at `b`, without a kink at either end.
#[must_use]
pub fn smoothstep(a: f32, b: f32, x: f32) -> f32 {
    let t = ((x - a) / (b - a)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// From `a` (`t` = 0) to `b` (`t` = 1).
#[must_use]
pub fn mix(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// Scrambles a number: the same in, the same out, and no pattern to see.
#[must_use]
pub const fn hash(x: u32) -> u32 {
    let mut h = x.wrapping_mul(0x9e37_79b9) ^ 0x85eb_ca6b;
    h ^= h >> 16;
    h = h.wrapping_mul(0x7feb_352d);
    h ^= h >> 15;
    h = h.wrapping_mul(0x846c_a68b);
    h ^ (h >> 16)
}

/// A number in 0‥1 from a seed.
#[must_use]
pub fn hash_unit(x: u32) -> f32 {
    (hash(x) >> 8) as f32 / 16_777_216.0
}

/// Linear light of an sRGB component, both 0‥1.
#[must_use]
pub fn srgb_to_linear(c: f32) -> f32 {
    if c <= 0.04045 { c / 12.92 } else { pow((c + 0.055) / 1.055, 2.4) }
}

/// sRGB component of linear light, both 0‥1.
#[must_use]
pub fn linear_to_srgb(c: f32) -> f32 {
    if c <= 0.003_130_8 { c * 12.92 } else { 1.055 * pow(c, 1.0 / 2.4) - 0.055 }
}

/// Linear colour of `0xRRGGBB`.
#[must_use]
pub fn srgb_hex(hex: u32) -> Vec3 {
    let part = |shift: u32| srgb_to_linear(((hex >> shift) & 0xff) as f32 / 255.0);
    vec3(part(16), part(8), part(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_platform_to_six_digits() {
        for i in -400..400 {
            let x = i as f32 * 0.037;
            assert!((sin(x) - x.sin()).abs() < 2e-6, "sin {x}");
            assert!((cos(x) - x.cos()).abs() < 2e-6, "cos {x}");
            assert!((exp(x * 0.5) / (x * 0.5).exp() - 1.0).abs() < 2e-6, "exp {x}");
            if x > 0.0 {
                assert!((ln(x) - x.ln()).abs() < 2e-6, "ln {x}");
                assert!((pow(x, 0.7) / x.powf(0.7) - 1.0).abs() < 3e-6, "pow {x}");
            }
        }
    }

    #[test]
    fn srgb_goes_there_and_back() {
        for i in 0..=255_u8 {
            let c = f32::from(i) / 255.0;
            assert!((linear_to_srgb(srgb_to_linear(c)) - c).abs() < 1e-4);
        }
    }
}
